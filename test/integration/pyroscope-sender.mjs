// SPDX-License-Identifier: Apache-2.0
// Burns CPU and keeps memory, and pushes profiles of itself with @pyroscope/nodejs: pyroscope-sender.mjs URL
import Pyroscope from '@pyroscope/nodejs';

const [, , serverAddress] = process.argv;

/** Takes so much time on a CPU, however long that takes on a busy host. */
function burnCpu(ms) {
  const start = process.cpuUsage();
  let sum = 0;
  while (process.cpuUsage(start).user < ms * 1_000) for (let i = 0; i < 100_000; i++) sum += i ^ sum;
  return sum;
}

Pyroscope.init({
  serverAddress,
  appName: 'node-shop',
  tags: { region: 'eu' },
  flushIntervalMs: 500,
  wall: { collectCpuTime: true },
});
Pyroscope.start();
const kept = Array.from({ length: 50 }, () => 'x'.repeat(10_000).split(''));
for (let i = 0; i < 30; i++) {
  burnCpu(60);
  await new Promise((resolve) => setImmediate(resolve));
}
// A round whose timer has fired comes first: the library does not stop it, and it fails once it has stopped.
for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
// What it has is sent as it stops.
await Pyroscope.stop();
if (kept.length === 0) process.exitCode = 1;
