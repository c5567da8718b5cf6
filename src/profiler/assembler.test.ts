// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodePprof } from '../codecs/pprof/encode.ts';
import { readProfileBlock } from '../native/profile-block.ts';
import { drawBlock, type DrawnSample } from '../native/testing/block-writer.ts';
import { valueToText } from '../pdata/any-value.ts';
import { getText } from '../pdata/attributes.ts';
import { toFolded } from '../pdata/folded.ts';
import { FRACTION_ATTRIBUTE, type ProfilesBatch } from '../pdata/profiles-batch.ts';
import { listAt } from '../pdata/tables.ts';
import { assembleBatch, PROBE_ATTRIBUTE, TRUNCATED_ATTRIBUTE, type AssemblerOptions } from './assembler.ts';

const scope = { name: 'test', version: '1', attributes: [], droppedAttributesCount: 0 };

const options: AssemblerOptions = {
  samplesPerSecond: 97,
  scope,
  shownVariables: new Set(['TEAM']),
  onCpuFraction: 1,
  offCpuFraction: 1,
  probes: [],
  mergeProcesses: false,
};

function assemble(
  samples: readonly DrawnSample[],
  window?: readonly [bigint, bigint],
  changed: Partial<AssemblerOptions> = {},
): ProfilesBatch {
  const batch = assembleBatch(readProfileBlock(drawBlock(samples, window)), { ...options, ...changed });
  assert.ok(batch !== undefined);
  return batch;
}

function attributesOf(batch: ProfilesBatch, rows: Int32Array): Record<string, string> {
  return Object.fromEntries(
    [...rows].map((r) => [batch.dictionary.attributeKey(r), valueToText(batch.dictionary.attributeValue(r))]),
  );
}

describe('assembling a batch from a block', () => {
  it('gives nothing for a block without samples', () => {
    assert.equal(assembleBatch(readProfileBlock(drawBlock([])), options), undefined);
  });

  it('makes one resource a process, with the attributes of the eBPF profiler', () => {
    const batch = assemble([
      { pid: 7, frames: ['a'], times: [1n], container: 'deadbeef', env: { TEAM: 'core' } },
      { pid: 9, frames: ['a'], times: [2n] },
      { pid: 7, frames: ['b'], times: [3n] },
    ]);
    assert.equal(batch.resources.length, 2);
    const attributes = batch.resources[0]?.resource.attributes ?? [];
    assert.equal(getText(attributes, 'process.pid'), '7');
    assert.equal(getText(attributes, 'process.executable.path'), '/bin/app');
    assert.equal(getText(attributes, 'process.executable.name'), 'app');
    assert.equal(getText(attributes, 'container.id'), 'deadbeef');
    assert.equal(getText(attributes, 'process.environment_variable.TEAM'), 'core');
    assert.equal(getText(batch.resources[1]?.resource.attributes ?? [], 'container.id'), undefined);
  });

  it('sends on-CPU samples as timestamps with the sampling period', () => {
    const batch = assemble([{ pid: 7, frames: ['leaf', 'main'], times: [1_100n, 1_200n, 1_300n] }]);
    const [only] = batch.profiles();
    assert.ok(only !== undefined);
    const { profile } = only;
    assert.equal(batch.dictionary.text(profile.sampleType.type), 'samples');
    assert.equal(batch.dictionary.text(profile.periodType.unit), 'nanoseconds');
    assert.equal(profile.period, 10_309_278n);
    assert.equal(profile.samples.values.length, 0);
    assert.deepEqual([...profile.samples.timestamps], [1_100n, 1_200n, 1_300n]);
    assert.equal(toFolded(batch), 'main;leaf 3');
  });

  it('keeps every timestamp inside the profile', () => {
    const batch = assemble([{ pid: 7, frames: ['a'], times: [900n, 2_500n] }], [1_000n, 2_000n]);
    const [only] = batch.profiles();
    assert.ok(only !== undefined);
    assert.equal(only.profile.timeUnixNano, 900n);
    assert.ok(only.profile.timeUnixNano + only.profile.durationNano > 2_500n);
  });

  it('tells thread, CPU and a cut stack on the sample, frame type on the location, build ids on the mapping', () => {
    const batch = assemble([
      { pid: 7, tid: 71, cpu: 3, comm: 'worker', flags: 1, frames: ['a'], times: [1n] },
      { pid: 7, tid: 72, cpu: 3, comm: 'worker', flags: 2, frames: ['a'], times: [1n] },
      { pid: 7, tid: 73, cpu: 3, comm: 'worker', frames: ['a'], times: [1n] },
    ]);
    const [only] = batch.profiles();
    assert.ok(only !== undefined);
    const cut = [0, 1, 2].map(
      (i) => attributesOf(batch, listAt(only.profile.samples.attributes, i))[TRUNCATED_ATTRIBUTE],
    );
    assert.deepEqual(cut, ['true', 'true', undefined]);
    assert.deepEqual(attributesOf(batch, listAt(only.profile.samples.attributes, 0)), {
      'thread.name': 'worker',
      'thread.id': '71',
      'cpu.logical_number': '3',
      [TRUNCATED_ATTRIBUTE]: 'true',
    });
    const { tables } = batch.dictionary;
    assert.deepEqual(attributesOf(batch, listAt(tables.locations.attributes, 1)), {
      'profile.frame.type': 'native',
    });
    assert.deepEqual(attributesOf(batch, listAt(tables.mappings.attributes, 1)), {
      'process.executable.build_id.gnu': 'aabbcc',
      'process.executable.build_id.htlhash': '00ff',
    });
  });

  it('links a sample to the span that its thread worked for', () => {
    const a = `${'a1'.repeat(16)}${'b2'.repeat(8)}`;
    const b = `${'a1'.repeat(16)}${'c3'.repeat(8)}`;
    const batch = assemble([
      { pid: 7, frames: ['f'], times: [1n] },
      { pid: 7, frames: ['f'], times: [2n], span: a },
      { pid: 7, frames: ['f'], times: [3n], span: b },
      { pid: 9, frames: ['f'], times: [4n], span: a },
    ]);
    const { traceIds, spanIds } = batch.dictionary.tables.links;
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
    const links = [...batch.profiles()].flatMap(({ profile }) =>
      [...profile.samples.link].map(
        (row) =>
          hex(traceIds.subarray(row * 16, row * 16 + 16)) + hex(spanIds.subarray(row * 8, row * 8 + 8)),
      ),
    );
    assert.deepEqual(links, ['0'.repeat(48), a, b, a]);
    const [first] = batch.profiles();
    assert.ok(first !== undefined);
    const pprof = Buffer.from(encodePprof(batch.dictionary, [first.profile])).toString('latin1');
    for (const text of ['trace_id', 'a1'.repeat(16), 'span_id', 'c3'.repeat(8)])
      assert.ok(pprof.includes(text), text);
  });

  it('puts off-CPU samples into a profile of their own, with a value for each timestamp', () => {
    const batch = assemble([{ pid: 7, frames: ['a'], kind: 1, times: [1n, 2n], values: [500n, 600n] }]);
    const [only] = batch.profiles();
    assert.ok(only !== undefined);
    assert.equal(batch.dictionary.text(only.profile.sampleType.type), 'off_cpu');
    assert.deepEqual([...only.profile.samples.values], [500n, 600n]);
    assert.equal(only.profile.period, 0n);
  });

  it('says on the profile which share of the events was sampled', () => {
    const samples: DrawnSample[] = [
      { pid: 7, frames: ['a'], times: [1n], values: [0n] },
      { pid: 7, frames: ['a'], kind: 1, times: [2n], values: [5n] },
    ];
    const fractions = (changed: Partial<AssemblerOptions>): Record<string, string>[] => {
      const batch = assemble(samples, undefined, changed);
      return [...batch.profiles()].map(({ profile }) => attributesOf(batch, profile.attributes));
    };
    assert.deepEqual(fractions({}), [{}, {}]);
    assert.deepEqual(fractions({ onCpuFraction: 0.25, offCpuFraction: 0.01 }), [
      { [FRACTION_ATTRIBUTE]: '0.25' },
      { [FRACTION_ATTRIBUTE]: '0.01' },
    ]);
  });

  it('keeps the events of each probe apart, by name', () => {
    const batch = assemble(
      [
        { pid: 7, frames: ['a'], kind: 2, probe: 0, times: [1n] },
        { pid: 7, frames: ['a'], kind: 2, probe: 1, times: [2n, 3n] },
      ],
      undefined,
      { probes: ['uprobe:/bin/app:open', 'uretprobe:/bin/app:open'] },
    );
    assert.deepEqual(
      [...batch.profiles()].map(({ profile }) => [
        batch.dictionary.text(profile.sampleType.type),
        attributesOf(batch, profile.attributes)[PROBE_ATTRIBUTE],
        profile.samples.timestamps.length,
        profile.samples.values.length,
      ]),
      [
        ['events', 'uprobe:/bin/app:open', 1, 0],
        ['events', 'uretprobe:/bin/app:open', 2, 0],
      ],
    );
  });

  it('takes over what a process says it is, but not its environment', () => {
    const env = {
      OTEL_SERVICE_NAME: 'shop',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=other,team=a%20b,process.pid=1',
    };
    const batch = assemble([{ pid: 7, frames: ['a'], times: [1n], env }]);
    const attributes = batch.resources[0]?.resource.attributes ?? [];
    assert.equal(getText(attributes, 'service.name'), 'shop');
    assert.equal(getText(attributes, 'team'), 'a b');
    assert.equal(getText(attributes, 'process.pid'), '7');
    assert.deepEqual(
      attributes.filter(({ key }) => key.startsWith('process.environment_variable')),
      [],
    );
  });

  it('leaves strings behind that nothing references', () => {
    const batch = assemble([{ pid: 7, frames: ['a'], times: [1n], container: 'only-on-the-resource' }]);
    const { strings } = batch.dictionary.tables;
    const all = Array.from({ length: strings.length }, (_, i) => batch.dictionary.text(i));
    assert.ok(!all.includes('only-on-the-resource'));
    assert.equal(new Set(all).size, all.length);
    assert.equal(all[0], '');
  });
});
