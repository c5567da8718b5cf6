// SPDX-License-Identifier: Apache-2.0
// Writes profiles of @datadog/pprof and of @pyroscope/nodejs into the folder given as the first argument.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import datadog from '@datadog/pprof';
import Pyroscope from '@pyroscope/nodejs';

const [folder = '.'] = process.argv.slice(2);
const write = (name, bytes) => writeFileSync(join(folder, `${name}.pb.gz`), bytes);
const kept = [];

function work(ms) {
  const end = Date.now() + ms;
  let sum = 0;
  while (Date.now() < end) {
    for (let i = 0; i < 10_000; i++) sum += Math.sqrt(i);
    JSON.parse(JSON.stringify({ list: [1, 2, 3, sum] }));
  }
  return sum;
}

function allocate() {
  for (let i = 0; i < 100_000; i++) kept.push({ i, text: `item ${i}`.repeat(5) });
}

async function withDatadog() {
  datadog.heap.start(4096, 64);
  allocate();
  write('datadog-heap', await datadog.encode(datadog.heap.profile()));
  datadog.heap.stop();
  datadog.time.start({ intervalMicros: 2000, withContexts: true, collectCpuTime: true });
  datadog.time.setContext({ endpoint: '/cart', 'span id': '1234' });
  work(200);
  datadog.time.setContext({ endpoint: '/pay' });
  work(150);
  const labels = ({ context }) => ({ ...context?.context, weight: 3 });
  write('datadog-wall', await datadog.encode(datadog.time.stop(false, labels)));
}

async function withPyroscope() {
  let count = 0;
  const server = createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const kind = request.url.includes('sampleRate') ? 'wall' : 'heap';
      if (count++ < 2) write(`pyroscope-${kind}`, Buffer.concat(chunks));
      response.end();
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  Pyroscope.init({
    serverAddress: `http://127.0.0.1:${server.address().port}`,
    appName: 'shop',
    tags: { region: 'eu' },
    flushIntervalMs: 1500,
    wall: { collectCpuTime: true },
  });
  Pyroscope.start();
  for (const end = Date.now() + 2500; Date.now() < end; await sleep(5)) {
    Pyroscope.wrapWithLabels({ endpoint: '/cart' }, () => kept.push(String(work(40)).repeat(50)));
  }
  await Pyroscope.stop();
  server.closeAllConnections();
  server.close();
}

await withDatadog();
await withPyroscope();
