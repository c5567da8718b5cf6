// SPDX-License-Identifier: Apache-2.0
import type { HeapProfiler, Profiler } from 'node:inspector/promises';
import { encodePprof } from '../../codecs/pprof/encode.ts';
import { V8_IDLE, V8Stacks } from '../../codecs/v8/stacks.ts';
import { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import { profile } from '../../pdata/profiles-batch.ts';
import { SamplesBuilder } from '../../pdata/samples.ts';

const NS_PER_US = 1_000n;

/**
 * A CPU profile of V8 as pprof, not compressed, with Go's sample types `samples/count` and
 * `cpu/nanoseconds`. Time in which no JavaScript ran is left out.
 * Source: https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile
 */
export function pprofOfCpu(cpu: Profiler.Profile, startMs: number, intervalUs: number): Uint8Array {
  const builder = new DictionaryBuilder();
  const stacks = new V8Stacks(builder);
  const parents = new Map<number, number>();
  for (const node of cpu.nodes) for (const child of node.children ?? []) parents.set(child, node.id);
  for (const { id, callFrame } of cpu.nodes) stacks.add(id, parents.get(id), callFrame);
  const idle = new Set(
    cpu.nodes.filter(({ callFrame }) => V8_IDLE.has(callFrame.functionName)).map(({ id }) => id),
  );
  const counts = new Map<number, bigint>();
  for (const id of cpu.samples ?? []) {
    if (!idle.has(id)) counts.set(id, (counts.get(id) ?? 0n) + 1n);
  }
  const periodNs = BigInt(intervalUs) * NS_PER_US;
  const periodType = valueType(builder, 'cpu', 'nanoseconds');
  const times = {
    periodType,
    period: periodNs,
    timeUnixNano: BigInt(Math.round(startMs)) * 1_000_000n,
    durationNano: BigInt(Math.max(1, Math.round(cpu.endTime - cpu.startTime))) * NS_PER_US,
  };
  const samplesOf = (weight: bigint) => {
    const samples = new SamplesBuilder();
    for (const [id, count] of counts) samples.add(stacks.stackOf(id), 0, [], [count * weight], []);
    return samples.build();
  };
  const profiles = [
    profile({ ...times, sampleType: valueType(builder, 'samples', 'count'), samples: samplesOf(1n) }),
    profile({ ...times, sampleType: periodType, samples: samplesOf(periodNs) }),
  ];
  return encodePprof(builder.build(), profiles);
}

/**
 * What V8's sampling heap profiler saw allocated and still alive, as pprof, not compressed.
 * Source: https://chromedevtools.github.io/devtools-protocol/tot/HeapProfiler/#type-SamplingHeapProfile
 */
export function pprofOfHeap(
  { head }: HeapProfiler.SamplingHeapProfile,
  nowMs: number,
  intervalBytes: number,
): Uint8Array {
  const builder = new DictionaryBuilder();
  const stacks = new V8Stacks(builder);
  const samples = new SamplesBuilder();
  const sizes: [number, number][] = [];
  let ids = 0;
  // A call tree may be deeper than the stack is.
  const open: [HeapProfiler.SamplingHeapProfileNode, number | undefined][] = [[head, undefined]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [node, parent] = next;
    const id = ++ids;
    stacks.add(id, parent, node.callFrame);
    if (node.selfSize > 0) sizes.push([id, node.selfSize]);
    for (const child of node.children) open.push([child, id]);
  }
  for (const [id, size] of sizes) samples.add(stacks.stackOf(id), 0, [], [BigInt(Math.round(size))], []);
  const made = profile({
    sampleType: valueType(builder, 'inuse_space', 'bytes'),
    periodType: valueType(builder, 'space', 'bytes'),
    period: BigInt(intervalBytes),
    timeUnixNano: BigInt(Math.round(nowMs)) * 1_000_000n,
    samples: samples.build(),
  });
  return encodePprof(builder.build(), [made]);
}

function valueType(builder: DictionaryBuilder, type: string, unit: string) {
  return { type: builder.string(type), unit: builder.string(unit) };
}
