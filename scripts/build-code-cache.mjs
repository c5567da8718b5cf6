// SPDX-License-Identifier: Apache-2.0
// Starts the bundled program, stops it, and keeps what V8 compiled meanwhile for later starts.
import { writeFileSync, readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { CODE_CACHE, hashOf, PROGRAM, runProgram } from '../bin/program.mjs';

const CONFIG = `
receivers:
  otlp: { protocols: { grpc: { endpoint: "localhost:0" }, http: { endpoint: "localhost:0" } } }
processors:
  batch: {}
  memory_limiter: { check_interval: 1s, limit_percentage: 50 }
  resource_detection: { detectors: [env, system] }
  relabel: { rules: [{ source_labels: [process.executable.name], target_label: service.name }] }
exporters:
  otlp_grpc: { endpoint: "localhost:9", tls: { insecure: true } }
  viewer: { endpoint: "localhost:0" }
extensions:
  health_check: { endpoint: "localhost:0" }
service:
  extensions: [health_check]
  telemetry: { metrics: { readers: [{ pull: { exporter: { prometheus: { host: localhost, port: 0 } } } }] } }
  pipelines:
    profiles:
      receivers: [otlp]
      processors: [memory_limiter, resource_detection, relabel, batch]
      exporters: [otlp_grpc, viewer]
`;

process.argv = [process.execPath, 'otelcol-profiles', '--config', `yaml:${CONFIG}`];
const write = process.stderr.write.bind(process.stderr);
process.stderr.write = (text, ...rest) => {
  if (String(text).includes('Everything is ready')) process.kill(process.pid, 'SIGTERM');
  return write(text, ...rest);
};
const script = runProgram();
process.on('exit', (code) => {
  if (code !== 0 || script === undefined) return;
  // V8 takes the cache only under the flags that it was made under, and the program sets these.
  setFlagsFromString('--semi-space-growth-factor=2');
  setFlagsFromString('--heap-growing-percent=0');
  writeFileSync(
    CODE_CACHE,
    Buffer.concat([hashOf(readFileSync(PROGRAM, 'latin1')), script.createCachedData()]),
  );
});
