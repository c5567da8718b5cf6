// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { BUILD } from './build-info.ts';
import { runCli } from './cli.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

const CONFIG = `yaml:
receivers: {otlp: {protocols: {grpc: {endpoint: "localhost:0"}}}}
exporters: {otlp_grpc: {endpoint: "localhost:1", headers: {authorization: s3cret}}}
service:
  pipelines: {profiles: {receivers: [otlp], exporters: [otlp_grpc]}}
  telemetry: {metrics: {level: none}}
`;

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a command in this process. */
async function run(...argv: string[]): Promise<Outcome> {
  const texts = { out: '', err: '' };
  const code = await runCli(argv, {
    stdout: (text) => {
      texts.out += text;
    },
    stderr: (text) => {
      texts.err += text;
    },
    loadDistribution: async () => (await import('../distribution.ts')).distribution,
  });
  return { code, ...texts };
}

/** Runs the program itself; `texts` fill as it writes. */
function start(...argv: string[]): {
  child: ChildProcess;
  texts: { out: string; err: string };
  finished: Promise<Outcome>;
} {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    texts.out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    texts.err += chunk.toString();
  });
  const finished = once(child, 'close').then(([code]) => ({ code: code as number | null, ...texts }));
  return { child, texts, finished };
}

describe('the command line program', () => {
  it('has the version of its package', async () => {
    const { version } = JSON.parse(
      await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as { version: string };
    assert.equal(BUILD.version, version);
    assert.deepEqual(await run('--version'), {
      code: 0,
      out: `otelcol-profiles version ${version}\n`,
      err: '',
    });
  });

  it('shows an example in the help of every command', async () => {
    const main = await run('--help');
    assert.match(
      main.out,
      /Usage:\n {2}otelcol-profiles \[command\] \[flags\]\n[^]*Examples:\n {2}otelcol-profiles\n/,
    );
    const validate = await run('help', 'validate');
    assert.match(validate.out, /Examples:\n {2}otelcol-profiles validate --config config.yaml\n/);
    assert.deepEqual([main.code, validate.code], [0, 0]);
  });

  it('says on stderr what is wrong with the command line', async () => {
    assert.deepEqual(await run('validate', '--confg=x'), {
      code: 1,
      out: '',
      err: 'Error: unknown flag: --confg — did you mean "--config"?\nRun "otelcol-profiles --help" for usage.\n',
    });
  });

  it('starts nothing where the configuration is bad, and prints one line an issue', async () => {
    const { code, out, err } = await start(
      '--config',
      CONFIG,
      '--set=receivers.otlp.protocol=x',
      '--set=exporters.nop.y=1',
    ).finished;
    assert.deepEqual([code, out], [1, '']);
    assert.deepEqual(err.split('\n'), [
      'Error: --set receivers.otlp.protocol:1:1: receivers::otlp: has invalid keys: protocol — did you mean "protocols"?',
      'Error: --set exporters.nop.y:1:1: exporters::nop: has invalid keys: y (there are none here)',
      '',
    ]);
  });

  it('names the unset variable that a bad value comes from', async () => {
    const { code, err } = await run(
      'validate',
      '--config',
      CONFIG,
      '--set=exporters.otlp_grpc.endpoint=${env:OTELCOL_UNSET}',
    );
    assert.equal(code, 1);
    assert.match(
      err,
      /^warning: --set [^ ]+: environment variable "OTELCOL_UNSET" is not set [^\n]+\nError: [^\n]+ must not be empty [^\n]+\n$/,
    );
  });

  it('validates by building the components', async () => {
    const { code, out, err } = await run('validate', `--config=${CONFIG}`, '--set=exporters.nop=');
    assert.deepEqual([code, out], [0, 'configuration is valid: 1 pipeline (profiles)\n']);
    assert.equal(
      err,
      'warning: --set exporters.nop:1:1: exporters::nop: is configured but not used in any pipeline\n',
    );
  });

  it('prints the configuration without secrets unless asked', async () => {
    const hidden = await run('print-config', '--config', CONFIG);
    assert.equal(parse(hidden.out).exporters.otlp_grpc.headers.authorization, '[REDACTED]');
    const shown = await run('print-config', '--config', CONFIG, '--mode=unredacted', '--format', 'json');
    const config = JSON.parse(shown.out) as { exporters: { otlp_grpc: Record<string, unknown> } };
    assert.deepEqual(config.exporters.otlp_grpc['headers'], { authorization: 's3cret' });
    assert.equal(config.exporters.otlp_grpc['timeout'], '5s');
  });

  it('prints texts that Go reads as numbers so that they stay texts', async () => {
    const set = '--set=exporters.otlp_grpc.headers={authorization: x, release: "2024_01"}';
    const { out } = await run('print-config', '--config', CONFIG, set, '--mode=unredacted');
    const again = await run('print-config', '--config', `yaml:${out}`, '--mode=unredacted');
    assert.deepEqual([again.out, again.err], [out, '']);
  });

  it('prints a configuration with faults where it need not be valid, and then only with its secrets', async () => {
    const flags = [
      'print-config',
      '--config',
      CONFIG,
      '--set=exporters.otlp_grpc.endpont=x',
      '--validate=false',
    ];
    const hidden = await run(...flags);
    assert.deepEqual([hidden.code, hidden.out], [1, '']);
    assert.match(
      hidden.err,
      /cannot be redacted; to print it with its secrets add --mode=unredacted\n.*endpont/,
    );
    const shown = await run(...flags, '--mode=unredacted');
    assert.equal(shown.code, 0);
    const { otlp_grpc } = (parse(shown.out) as { exporters: Record<string, Record<string, unknown>> })
      .exporters;
    assert.deepEqual([otlp_grpc?.['endpont'], otlp_grpc?.['headers']], ['x', { authorization: 's3cret' }]);
    assert.match(shown.err, /has invalid keys: endpont/);
    assert.equal((await run(...flags.slice(0, -1), '--mode=unredacted')).code, 1);
    const valid = await run('print-config', '--config', CONFIG, '--validate=false');
    assert.equal(parse(valid.out).exporters.otlp_grpc.headers.authorization, '[REDACTED]');
  });

  it('lists its components with their stability for profiles', async () => {
    const { out } = await run('components');
    const list = parse(out) as {
      receivers: { name: string; module: string; stability: Record<string, string> }[];
    };
    const otlp = list.receivers.find(({ name }) => name === 'otlp');
    assert.equal(otlp?.stability['profiles'], 'beta');
    assert.match(otlp.module, /^otelcol-profiles\/receivers\/otlp v\d+\.\d+\.\d+$/);
  });

  it('shows feature gates as the command line sets them', async () => {
    const { out } = await run('featuregate', '--feature-gates', '-service.profilesSupport');
    assert.match(
      out,
      /^ID +Enabled +Stage +From +To +Description\nservice\.profilesSupport +false +Beta +v0\.1\.0 +Controls /,
    );
    assert.match(
      (await run('featuregate', 'service.profilesSupport')).out,
      /^Feature: service\.profilesSupport\nEnabled: true\nStage: Beta\nDescription: Controls [^\n]+\nReference URL: https:[^\n]+\nFrom version: v0\.1\.0\n$/,
    );
  });

  it('runs until SIGTERM and exits with 0', async () => {
    const { child, texts, finished } = start('--config', CONFIG);
    while (!texts.err.includes('Everything is ready')) {
      await Promise.race([once(child.stderr ?? child, 'data'), finished]);
      assert.equal(child.exitCode, null, texts.err);
    }
    child.kill('SIGTERM');
    const { code, out } = await finished;
    assert.deepEqual({ code, out }, { code: 0, out: '' });
    assert.match(texts.err, /Received signal from OS.*SIGTERM[^]*Shutdown complete\./);
  });
});
