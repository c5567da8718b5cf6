// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalForm, meaningDifference } from './canonical.ts';
import { batchFromFolded, type FoldedOptions } from './folded.ts';
import { mergeBatches } from './merge.ts';
import { ProfilesBatch, withProfiles, withSamples, withScopes, type Profile } from './profiles-batch.ts';

/** The batch with its only profile changed. */
function withProfile(batch: ProfilesBatch, changes: Partial<Omit<Profile, 'samples'>>): ProfilesBatch {
  return batch.mapResources((rp) =>
    withScopes(
      rp,
      rp.scopes.map((sp) =>
        withProfiles(
          sp,
          sp.profiles.map((p) => withSamples(p, p.samples, changes)),
        ),
      ),
    ),
  );
}

const base: FoldedOptions = { attributes: { a: '1', b: '2' }, period: 1n };

describe('what a batch means', () => {
  it('does not depend on order, on cutting or on how often a stack is written', () => {
    const whole = batchFromFolded('main;x 1\nmain;y 5\nz 2', base);
    const others = [
      batchFromFolded('z 2\nmain;y 2\nmain;x 1\nmain;y 3', { ...base, attributes: { b: '2', a: '1' } }),
      mergeBatches([batchFromFolded('z 2\nmain;y 4', base), batchFromFolded('main;x 1\nmain;y 1', base)]),
    ];
    for (const other of others) assert.equal(meaningDifference(whole, other), undefined);
  });

  it('depends on everything that a profile says', () => {
    const batch = batchFromFolded('main;x 1', base);
    const bytes = Uint8Array.of(1);
    const others: Record<string, ProfilesBatch> = {
      value: batchFromFolded('main;x 2', base),
      stack: batchFromFolded('x;main 1', base),
      doubled: mergeBatches([batch, batch]),
      resource: batchFromFolded('main;x 1', { ...base, attributes: { a: '1' } }),
      type: batchFromFolded('main;x 1', { ...base, sampleType: ['cpu', 'count'] }),
      period: withProfile(batch, { period: 2n }),
      time: withProfile(batch, { timeUnixNano: 1n }),
      duration: withProfile(batch, { durationNano: 1n }),
      id: withProfile(batch, { profileId: new Uint8Array(16).fill(1) }),
      dropped: withProfile(batch, { droppedAttributesCount: 1 }),
      payload: withProfile(batch, { originalPayload: bytes, originalPayloadFormat: 'raw' }),
      unknown: withProfile(batch, { unknown: bytes }),
      'an empty profile': mergeBatches([batch, batchFromFolded('', { ...base, period: 9n })]),
    };
    for (const [what, other] of Object.entries(others))
      assert.notEqual(meaningDifference(batch, other), undefined, what);
  });

  it('reads as text that names the difference', () => {
    const [a, b] = [batchFromFolded('main;x 1', base), batchFromFolded('main;x 2\ny 1', base)];
    const text = meaningDifference(a, b) ?? '';
    assert.match(text, /^- resource \{"a": "1", "b": "2"\}.* \/ sample value .*function="x".* sum 1$/m);
    assert.match(text, /^\+ .*function="x".* sum 2$/m);
    assert.match(text, /^\+ .*function="y".* sum 1$/m);
    assert.equal(text.split('\n').length, 3);
    assert.match(meaningDifference(a, b, 1) ?? '', /\+ and 1 more$/);
    assert.equal(canonicalForm(a).length, 2);
  });
});
