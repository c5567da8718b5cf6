// SPDX-License-Identifier: Apache-2.0
import { serveMeasurements } from '../worker.ts';
import { loadStaticCodec } from './otlp-static.ts';

/** protobufjs with code made by pbjs, one object a message. */
const codec = await loadStaticCodec();

await serveMeasurements({
  decode:
    ([bytes = new Uint8Array()]) =>
    () =>
      codec.decode(bytes),
  'decode+encode':
    ([bytes = new Uint8Array()]) =>
    () =>
      codec.encode(codec.decode(bytes)).finish(),
});
