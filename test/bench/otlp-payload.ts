// SPDX-License-Identifier: Apache-2.0
import { Random } from '../../src/internal/testing/otlp-random.ts';
import { encodeOtlp } from '../../src/codecs/otlp/encode.ts';
import { intValue, stringValue } from '../../src/pdata/any-value.ts';
import { DictionaryBuilder } from '../../src/pdata/dictionary-builder.ts';
import { profile, ProfilesBatch, resource, type ResourceProfiles } from '../../src/pdata/profiles-batch.ts';
import { SamplesBuilder } from '../../src/pdata/samples.ts';

/** A payload in the shape that the eBPF profiler sends: see `makePayload`. */
export interface PayloadSize {
  readonly name: string;
  readonly resources: number;
  readonly samples: number;
  readonly locations: number;
  readonly functions: number;
}

export const PAYLOADS: readonly PayloadSize[] = [
  { name: 'XS', resources: 1, samples: 500, locations: 1_500, functions: 200 },
  { name: 'S', resources: 1, samples: 2_000, locations: 5_000, functions: 800 },
  { name: 'M', resources: 10, samples: 6_000, locations: 15_000, functions: 5_200 },
  { name: 'L', resources: 50, samples: 20_000, locations: 50_000, functions: 19_500 },
];

/**
 * A request of OTLP 1.10: container, process and executable attributes on each resource; samples with a
 * stack, three attributes (thread name and id, cpu) and one to three timestamps; 70 % of stacks unique, 20 to 60 deep;
 * half the locations native without symbols, half with a function and a line.
 */
export function makePayload(size: PayloadSize, seed = 1): Uint8Array {
  const random = new Random(seed);
  const d = new DictionaryBuilder();
  const functions = Array.from({ length: size.functions }, (_, i) =>
    d.function(
      d.string(`com.example.module${i % 97}.Handler${i}.process`),
      0,
      d.string(`src/handler${i % 300}.ts`),
      BigInt(i % 900),
    ),
  );
  const frameTypes = ['native', 'kernel', 'v8js'].map((type) =>
    d.attributeOf('profile.frame.type', stringValue(type)),
  );
  const mappings = Array.from({ length: 60 }, (_, i) => {
    const buildId = d.attributeOf(
      'process.executable.build_id.htlhash',
      stringValue(random.bytes(16).toString('hex')),
    );
    return d.mapping(BigInt(i) << 24n, (BigInt(i) << 24n) + 0xff_ffffn, 0n, d.string(`/usr/lib/lib${i}.so`), [
      buildId,
    ]);
  });
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const locations = Array.from({ length: size.locations }, (_, i) =>
    i % 2 === 0
      ? d.location(pick(mappings), 0x7f00_0000_0000n + BigInt(i) * 48n, [frameTypes[0] ?? 0], [])
      : d.location(
          0,
          0n,
          [pick(frameTypes)],
          [{ function: pick(functions), line: BigInt(1 + random.below(2000)), column: 0n }],
        ),
  );
  const stacks = Array.from({ length: Math.ceil(size.samples * 0.7) }, () =>
    d.stack(Array.from({ length: 20 + random.below(41) }, () => pick(locations))),
  );
  const threads = Array.from({ length: 200 }, (_, i) => [
    d.attributeOf('thread.name', stringValue(`worker-${i % 40}`)),
    d.attributeOf('thread.id', intValue(1000 + i)),
  ]);
  const cpus = Array.from({ length: 64 }, (_, i) => d.attributeOf('cpu.logical_number', intValue(i)));
  const sampleType = { type: d.string('samples'), unit: d.string('count') };
  const periodType = { type: d.string('cpu'), unit: d.string('nanoseconds') };
  const start = 1_760_000_000_000_000_000n;
  const resources = Array.from({ length: size.resources }, (_, r): ResourceProfiles => {
    const samples = new SamplesBuilder();
    for (let i = 0; i < size.samples / size.resources; i++) {
      const times = Array.from(
        { length: 1 + random.below(3) },
        () => start + BigInt(random.below(2_000_000_000)),
      );
      samples.add(pick(stacks), 0, [...pick(threads), pick(cpus)], [], times);
    }
    const made = profile({
      sampleType,
      periodType,
      period: 52_631_578n,
      timeUnixNano: start,
      durationNano: 5_000_000_000n,
      samples: samples.build(),
    });
    const attributes = [
      { key: 'container.id', value: stringValue(random.bytes(32).toString('hex')) },
      { key: 'process.pid', value: intValue(1000 + r) },
      { key: 'process.executable.name', value: stringValue(`service-${r}`) },
      { key: 'process.executable.path', value: stringValue(`/usr/bin/service-${r}`) },
      { key: 'service.name', value: stringValue(`service-${r}`) },
    ];
    const scope = { name: 'profiler', version: '1.0.0', attributes: [], droppedAttributesCount: 0 };
    return {
      resource: resource(attributes),
      schemaUrl: '',
      scopes: [{ scope, schemaUrl: '', profiles: [made] }],
    };
  });
  return encodeOtlp(new ProfilesBatch(d.build(), resources), { revision: '1.10' });
}
