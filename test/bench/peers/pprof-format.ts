// SPDX-License-Identifier: Apache-2.0
import { Profile } from 'pprof-format';
import { serveMeasurements } from '../worker.ts';

/** The pprof codec of Datadog's profiler, one object a message. */
await serveMeasurements({
  'pprof decode':
    ([bytes = new Uint8Array()]) =>
    () =>
      Profile.decode(bytes),
  'pprof encode'([bytes = new Uint8Array()]) {
    const decoded = Profile.decode(bytes);
    return () => decoded.encode();
  },
});
