// SPDX-License-Identifier: Apache-2.0
// Preloaded into the program by the bench: measures its event loop without being part of it. Over the
// IPC channel, "reset" starts anew and "read" answers with milliseconds.
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 1;
const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delays.enable();

process.on('message', (asked) => {
  if (asked === 'reset') delays.reset();
  if (asked !== 'read') return;
  // What is recorded is the time between two ticks of a timer, its period included.
  const late = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  process.send?.({
    p50: late(delays.percentile(50)),
    p99: late(delays.percentile(99)),
    max: late(delays.max),
  });
});
// The program ends when it wants to.
process.channel?.unref();
