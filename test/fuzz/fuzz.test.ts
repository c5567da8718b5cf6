// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { needGo } from '../go.ts';
import { GoPdata, goTarget, startGo } from './go.ts';
import { mutate } from './mutate.ts';
import { Random } from '../../src/internal/testing/otlp-random.ts';
import { findingOf, type FuzzTarget, inputOf, type Outcome } from './target.ts';
import { TARGETS } from './targets.ts';

/** Inputs a target is run on here; `npm run fuzz` runs it for as long as one likes. */
const EXECUTIONS: Readonly<Record<string, number>> = {
  otlp: 150,
  compression: 1_000,
  folded: 400,
  'grpc-message': 600,
};
const DEFAULT_EXECUTIONS = 200;

/** Inputs that were findings once. */
function corpusOf(name: string): { readonly file: string; readonly bytes: Uint8Array }[] {
  const folder = join(import.meta.dirname, 'corpus', name);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).map((file) => ({
    file,
    bytes: new Uint8Array(readFileSync(join(folder, file))),
  }));
}

/** Fails on the first finding; gives how many inputs were accepted and refused. */
async function runAll(target: FuzzTarget, executions: number): Promise<Record<Outcome, number>> {
  const outcomes = { accepted: 0, refused: 0 };
  for (const { file, bytes } of corpusOf(target.name)) {
    const { error } = await findingOf(target, bytes);
    assert.equal(error, undefined, file);
  }
  for (let seed = 1; seed <= executions; seed++) {
    const { outcome, error } = await findingOf(target, inputOf(target, seed));
    assert.ok(outcome, `npm run fuzz -- ${target.name} --seed ${seed} finds: ${error}`);
    outcomes[outcome]++;
  }
  return outcomes;
}

describe('fuzzing', () => {
  for (const target of TARGETS) {
    it(`finds nothing in ${target.name}, which takes some inputs and refuses others`, async () => {
      const executions = EXECUTIONS[target.name] ?? DEFAULT_EXECUTIONS;
      const { accepted, refused } = await runAll(target, executions);
      assert.ok(Math.min(accepted, refused) > executions / 10, `${accepted} accepted, ${refused} refused`);
    });
  }

  it('tells a finding from what is fine', async () => {
    const broken: FuzzTarget = {
      name: 'broken',
      seed: () => Uint8Array.of(1, 2, 3),
      run(input) {
        assert.ok(input.length < 4, 'too long');
        return 'accepted';
      },
    };
    await assert.rejects(runAll(broken, 200), /npm run fuzz -- broken --seed \d+ finds: .*too long/s);
  });

  it('gives the same inputs for the same seeds, and others for others', () => {
    const [target] = TARGETS;
    assert.ok(target);
    const inputs = [1, 1, 2].map((seed) => Buffer.from(inputOf(target, seed)).toString('hex'));
    assert.equal(inputs[0], inputs[1]);
    assert.notEqual(inputs[0], inputs[2]);
    const bytes = Uint8Array.from({ length: 50 }, (_, i) => i);
    const mutants = new Set(
      Array.from({ length: 100 }, (_, seed) =>
        Buffer.from(mutate(new Random(seed), bytes, bytes)).toString('hex'),
      ),
    );
    assert.ok(mutants.size > 90, `${mutants.size} different ones of 100`);
    assert.equal(bytes[7], 7, 'the original stays');
  });
});

describe('Go pdata', () => {
  needGo();
  const go = startGo();
  after(() => {
    if (go instanceof GoPdata) go.close();
  });

  it('accepts what we accept, refuses no less than we do but for our strictness, and reads the same', async (t) => {
    if (!(go instanceof GoPdata)) {
      assert.equal(process.env['CI'], undefined, go.missing);
      t.diagnostic(`${go.missing}: the target "otlp" still compares with protobufjs`);
      return;
    }
    const { accepted, refused } = await runAll(goTarget(go), 250);
    assert.ok(Math.min(accepted, refused) > 25, `${accepted} accepted, ${refused} refused`);
  });
});
