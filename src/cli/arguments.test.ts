// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseArguments } from './arguments.ts';
import { gatesOf, type Io } from './command.ts';
import { COMMANDS } from './commands.ts';

function parse(...argv: string[]): {
  command: string;
  flags: Record<string, readonly string[]>;
  positional: string | undefined;
} {
  const { command, flags, positional } = parseArguments(argv, COMMANDS);
  return { command: command.name, flags: Object.fromEntries(flags), positional };
}

const run = (flags: Record<string, string[]>) => ({ command: 'run', flags, positional: undefined });

describe('the command line', () => {
  it('runs the collector where no command is named', () => {
    assert.deepEqual(parse(), run({}));
    assert.deepEqual(parse('run', '--config', 'a'), run({ config: ['a'] }));
  });

  it('takes flags in every spelling of Go', () => {
    for (const argv of [['--config', 'a'], ['--config=a'], ['-config', 'a'], ['-config=a']]) {
      assert.deepEqual(parse(...argv), run({ config: ['a'] }), argv.join(' '));
    }
    assert.deepEqual(
      parse('--config=a', '--set', 'x.y=z=1', '-config', 'b'),
      run({ config: ['a', 'b'], set: ['x.y=z=1'] }),
    );
  });

  it('takes a value that begins with a dash', () => {
    assert.deepEqual(
      parse('--feature-gates', '-service.profilesSupport'),
      run({ 'feature-gates': ['-service.profilesSupport'] }),
    );
    assert.deepEqual(parse('--config', 'yaml:a: b'), run({ config: ['yaml:a: b'] }));
  });

  it('takes flags before and behind the command', () => {
    const want = { command: 'validate', flags: { config: ['a'], set: ['b=c'] }, positional: undefined };
    assert.deepEqual(parse('--config', 'a', 'validate', '--set=b=c'), want);
    assert.deepEqual(parse('print-initial-config').command, 'print-config');
  });

  it('takes one positional where the command has one', () => {
    assert.equal(parse('featuregate', 'service.profilesSupport').positional, 'service.profilesSupport');
    assert.throws(() => parse('featuregate', 'a', 'b'), {
      message: 'unexpected argument "b" for "featuregate"',
    });
    assert.throws(() => parse('validate', 'a'), { message: 'unexpected argument "a" for "validate"' });
  });

  it('reads the short switches', () => {
    assert.deepEqual(parse('-v'), run({ version: ['true'] }));
    assert.deepEqual(parse('doctor', '-h').flags, { help: ['true'] });
  });

  it('takes a switch that is set to false for one that is not given', () => {
    assert.deepEqual(parse('convert', '--bypass-errors=false', '-').flags, {});
    assert.deepEqual(parse('convert', '--bypass-errors', '--bypass-errors=false', '-').flags, {});
    assert.deepEqual(parse('relabel', '--json=true', '--explain=0').flags, { json: ['true'] });
    assert.deepEqual(parse('print-config', '--validate=false').flags, { validate: ['false'] });
    assert.throws(() => parse('convert', '--bypass-errors=maybe', '-'), {
      name: 'UsageError',
      message: 'invalid value "maybe" for --bypass-errors (valid values: [true false])',
    });
  });

  it('says what is wrong and what would be right', () => {
    for (const [argv, message] of [
      [['--confg', 'x'], 'unknown flag: --confg — did you mean "--config"?'],
      [['components', '--config=x'], 'unknown flag: --config'],
      [['--5'], 'unknown flag: --5'],
      [['--config'], 'flag needs an argument: --config LOCATION'],
      [
        ['validat'],
        'unknown command "validat" (valid values: [run validate components print-config relabel featuregate schema convert completion doctor]) — did you mean "validate"?',
      ],
      [['print-config', '--format', 'xml'], 'invalid value "xml" for --format (valid values: [yaml json])'],
    ] as const) {
      assert.throws(() => parse(...argv), { name: 'UsageError', message });
    }
  });
});

const silent: Io = {
  stdout: () => undefined,
  stderr: () => undefined,
  loadDistribution: () => Promise.reject(new Error('not wanted')),
};

describe('--feature-gates', () => {
  const gates = (...lists: string[]) =>
    gatesOf({ io: silent, flags: new Map([['feature-gates', lists]]), positional: undefined });

  it('is cumulative over lists and repetitions, the last word counting', () => {
    const id = 'service.profilesSupport';
    assert.equal(gates().isEnabled(id), true);
    assert.equal(gates(`-${id}`).isEnabled(id), false);
    assert.equal(gates(`-${id}`, `+${id}`).isEnabled(id), true);
    assert.equal(gates(`${id},-${id}`).isEnabled(id), false);
  });

  it('refuses what is empty or unknown', () => {
    assert.throws(() => gates(''), { message: '--feature-gates: feature gate at index 0 is empty' });
    assert.throws(() => gates('x'), {
      message: /^--feature-gates: no such feature gate "x". valid gates: \[service.profilesSupport\]/,
    });
  });
});
