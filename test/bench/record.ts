// SPDX-License-Identifier: Apache-2.0
// Records requests of our own profiler for the benchmarks, as a user's next hop would get them. Needs root
// and a built program. Usage: node --import tsx test/bench/record.ts [requests]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/internal/package-root.ts';
import { startWorkloads } from '../e2e/workloads.ts';
import { CACHE, RECORDED } from './payloads.ts';
import { print } from './report.ts';
import { Sink } from './wire.ts';

/** The first interval is mostly about what was there before; it is not kept. */
const SKIPPED = 1;

const requests = Number(process.argv[2] ?? 2);
mkdirSync(RECORDED, { recursive: true });
const sink = await Sink.listen();
const config = join(CACHE, 'record.yaml');
writeFileSync(
  config,
  `
receivers:
  profiling: { samples_per_second: 499 }
exporters:
  otlp_grpc:
    endpoint: "127.0.0.1:${sink.port}"
    tls: { insecure: true }
    max_request_size_mib: 0
service:
  telemetry: { metrics: { level: none } }
  pipelines: { profiles: { receivers: [profiling], exporters: [otlp_grpc] } }
`,
);
const workloads = await startWorkloads();
const program = spawn(join(packageRoot(), 'bin', 'otelcol-profiles'), ['--config', config], {
  stdio: ['ignore', 'ignore', 'inherit'],
});
try {
  for (let i = -SKIPPED; i < requests; i++) {
    const message = await sink.next();
    if (i < 0) continue;
    writeFileSync(join(RECORDED, `${i}.otlp`), message);
    print(`${i}.otlp: ${message.length} bytes`);
  }
} finally {
  const gone = once(program, 'exit');
  program.kill('SIGTERM');
  await gone;
  workloads.stop();
  sink.close();
}
