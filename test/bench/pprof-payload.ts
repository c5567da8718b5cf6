// SPDX-License-Identifier: Apache-2.0
import { encodePprof } from '../../src/codecs/pprof/encode.ts';
import { Random } from '../../src/internal/testing/otlp-random.ts';
import { intValue, stringValue } from '../../src/pdata/any-value.ts';
import { DictionaryBuilder } from '../../src/pdata/dictionary-builder.ts';
import { profile } from '../../src/pdata/profiles-batch.ts';
import { SamplesBuilder } from '../../src/pdata/samples.ts';

/** A pprof file in the shape of a large Go service: see `makePprof`. */
export interface PprofSize {
  readonly name: string;
  readonly samples: number;
  readonly locations: number;
  readonly functions: number;
}

export const PPROF_SIZES: readonly PprofSize[] = [
  { name: 'S', samples: 700, locations: 2_000, functions: 900 },
  { name: 'M', samples: 7_000, locations: 12_000, functions: 5_000 },
];

/**
 * An uncompressed pprof file with two sample types. Stacks are 10 to 36 deep, half of them out of a
 * thousand hot locations; each sample has a text label (40 values) and every second one a numeric label
 * with a unit. One location in eight holds an inlined function. Files of different `seed` share their
 * functions, most locations and half of their samples' stacks and labels, as two scrapes of one process do. Size M is
 * 0.9 MB.
 */
export function makePprof(size: PprofSize, seed = 1): Uint8Array {
  const random = new Random(seed);
  const d = new DictionaryBuilder();
  const functions = Array.from({ length: size.functions }, (_, i) => {
    const name = d.string(`example.com/shop/internal/module${i % 97}.(*Handler${i}).process`);
    return d.function(name, name, d.string(`/src/shop/internal/module${i % 97}/handlers.go`), 0n);
  });
  const mappings = Array.from({ length: 8 }, (_, i) =>
    d.mapping(
      0x40_0000n + (BigInt(i) << 28n),
      0x4ff_0000n + (BigInt(i) << 28n),
      0n,
      d.string(`/usr/lib/lib${i}.so`),
      [
        d.attributeOf(
          'process.executable.build_id.gnu',
          stringValue(`${i}f3a90c4d5e6b7f8091a2b3c4d5e6f7081920a1b`),
        ),
        d.attributeOf('pprof.mapping.has_functions', { kind: 'bool', value: true }),
      ],
    ),
  );
  const common = new Random(0);
  const pick = <T>(list: readonly T[], from = random): T => list[from.below(list.length)] as T;
  const locations = Array.from({ length: size.locations }, (_, i) => {
    const line = (n: number) => ({
      function: functions[(i * 7 + n) % functions.length] ?? 0,
      line: BigInt(1 + ((i * 31 + n) % 2000)),
      column: 0n,
    });
    const lines = i % 8 === 0 ? [line(1), line(2)] : [line(1)];
    const address = 0x46_0000n + BigInt(i) * 48n + BigInt(random.below(10) === 0 ? seed : 0);
    return d.location(mappings[i % 50 === 0 ? 1 + (i % 7) : 0] ?? 0, address, [], lines);
  });
  const hot = locations.slice(0, 1_000);
  const workers = Array.from({ length: 40 }, (_, i) => d.attributeOf('worker', stringValue(`pool-${i}`)));
  const sizes = Array.from({ length: 64 }, (_, i) =>
    d.attributeOf('bytes', intValue(512 << (i % 12)), 'bytes'),
  );
  const samples = [new SamplesBuilder(), new SamplesBuilder()];
  for (let i = 0; i < size.samples; i++) {
    const from = i % 4 < 2 ? common : random;
    const depth = 10 + from.below(27);
    const stack = d.stack(Array.from({ length: depth }, (_, f) => pick(f % 2 === 0 ? hot : locations, from)));
    const labels = i % 2 === 0 ? [pick(workers, from)] : [pick(workers, from), pick(sizes, from)];
    const count = BigInt(1 + random.below(200));
    samples[0]?.add(stack, 0, labels, [count], []);
    samples[1]?.add(stack, 0, labels, [count * 10_000_000n], []);
  }
  const nanoseconds = d.string('nanoseconds');
  const types = [
    { type: d.string('samples'), unit: d.string('count') },
    { type: d.string('cpu'), unit: nanoseconds },
  ];
  const profiles = types.map((sampleType, i) =>
    profile({
      sampleType,
      periodType: { type: d.string('cpu'), unit: nanoseconds },
      period: 10_000_000n,
      timeUnixNano: 1_760_000_000_000_000_000n + BigInt(seed) * 10_000_000_000n,
      durationNano: 10_000_000_000n,
      samples: (samples[i] ?? new SamplesBuilder()).build(),
    }),
  );
  return encodePprof(d.build(), profiles);
}
