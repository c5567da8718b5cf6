// SPDX-License-Identifier: Apache-2.0
import { decodeOtlp } from '../../src/codecs/otlp/decode.ts';
import { encodeOtlp } from '../../src/codecs/otlp/encode.ts';
import { otlpRequestType } from '../../src/internal/testing/otlp-proto.ts';
import { stringValue } from '../../src/pdata/any-value.ts';
import { withAttribute } from '../../src/pdata/attributes.ts';
import { Dictionary } from '../../src/pdata/dictionary.ts';
import { mergeBatches } from '../../src/pdata/merge.ts';
import { ProfilesBatch, withResourceAttributes } from '../../src/pdata/profiles-batch.ts';
import { makePayload, PAYLOADS } from './otlp-payload.ts';

/**
 * Codec throughput against protobufjs, in MB of request per second of CPU time (user and system, garbage
 * collector included). Rounds of all contenders are interleaved; medians are printed, and ratios.
 * Run: node --import tsx test/bench/codec.ts [XS S M L]
 */

const ROUNDS = 7;
const CPU_SECONDS_A_ROUND = 0.25;

interface Contender {
  readonly name: string;
  run(): unknown;
}

/** CPU seconds for one call, measured over as many calls as fill the round. */
function measure(run: () => unknown): number {
  const before = process.cpuUsage();
  let calls = 0;
  for (;;) {
    sink = run();
    calls++;
    const { user, system } = process.cpuUsage(before);
    const seconds = (user + system) / 1e6;
    if (seconds >= CPU_SECONDS_A_ROUND) return seconds / calls;
  }
}

let sink: unknown;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

function relay(bytes: Uint8Array): Uint8Array {
  const batch = decodeOtlp(bytes).mapResources((rp) =>
    withResourceAttributes(rp, withAttribute(rp.resource.attributes, 'host.name', stringValue('node-1'))),
  );
  return encodeOtlp(batch, { revision: '1.10' });
}

function contenders(bytes: Uint8Array): Contender[] {
  const type = otlpRequestType();
  const object = type.decode(bytes);
  const batch = decodeOtlp(bytes);
  const bare = new ProfilesBatch(
    new Dictionary(batch.dictionary.tables),
    batch.resources.map((rp) => ({ ...rp, encodedScopes: undefined })),
  );
  const other = decodeOtlp(bytes);
  return [
    { name: 'decode', run: () => decodeOtlp(bytes) },
    { name: 'decode, protobufjs', run: () => type.decode(bytes) },
    { name: 'encode columns', run: () => encodeOtlp(bare, { revision: '1.10' }) },
    { name: 'encode, protobufjs', run: () => type.encode(object).finish() },
    { name: 'encode spliced', run: () => encodeOtlp(batch, { revision: '1.10' }) },
    { name: 'relay, one attribute added', run: () => relay(bytes) },
    { name: 'merge of two', run: () => mergeBatches([batch, other]) },
  ];
}

const wanted = process.argv.slice(2);
console.log(`node ${process.version}, medians of ${ROUNDS} rounds, MB per CPU-s`);
for (const size of PAYLOADS) {
  if (wanted.length > 0 && !wanted.includes(size.name)) continue;
  const bytes = makePayload(size);
  const megabytes = bytes.length / 1e6;
  const all = contenders(bytes);
  const seconds = all.map((): number[] => []);
  for (let round = 0; round <= ROUNDS; round++) {
    all.forEach((contender, i) => {
      const spent = measure(() => contender.run());
      // The first round is for the compiler.
      if (round > 0) seconds[i]?.push(spent);
    });
  }
  const rate = (name: string): number =>
    megabytes / median(seconds[all.findIndex((c) => c.name === name)] ?? []);
  console.log(`\n${size.name}: ${megabytes.toFixed(2)} MB, ${size.samples} samples`);
  for (const { name } of all) console.log(`  ${name.padEnd(28)} ${rate(name).toFixed(0).padStart(6)}`);
  const ratio = (ours: string, theirs: string): string => (rate(ours) / rate(theirs)).toFixed(1);
  console.log(`  decode ÷ protobufjs          ${ratio('decode', 'decode, protobufjs').padStart(6)}`);
  console.log(`  encode ÷ protobufjs          ${ratio('encode columns', 'encode, protobufjs').padStart(6)}`);
}
if (sink === undefined) throw new Error('nothing was measured');
