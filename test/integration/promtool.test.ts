// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { distribution } from '../../src/distribution.ts';
import { otlpGrpcExporterFactory } from '../../src/exporters/otlp-grpc/factory.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { debianBinary } from '../debian-binary.ts';
import { freePort } from '../free-port.ts';
import { PATIENT, runningService } from './running-service.ts';

/** A collector that runs every component with metrics of its own; where nothing is, it has failures too. */
const everything = (folder: string, metricsPort: number): string => `
extensions:
  health_check: {endpoint: "localhost:0"}
  zpages: {endpoint: "localhost:0"}
  pprof: {endpoint: "localhost:0"}
  file_storage: {directory: "${folder}"}
  memory_limiter: {check_interval: 1s, limit_mib: 4000}
  basicauth: {client_auth: {username: a, password: b}}
  bearertokenauth: {token: a}
  headers_setter: {headers: [{key: a, value: b}]}
  oauth2client: {client_id: a, client_secret: b, token_url: "http://localhost:1"}
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "localhost:0", middlewares: [{id: memory_limiter}]}
      http: {endpoint: "localhost:0"}
  profiling: {error_mode: ignore}
  pyroscope: {endpoint: "localhost:0", middlewares: [{id: memory_limiter}]}
  pyroscope_scrape: {targets: [{__address__: "localhost:1"}]}
  pyroscope_ebpf: {targets: [{__process_pid__: "1"}], error_mode: ignore}
  phlare_ebpf: {targets: [{__process_pid__: "1"}], error_mode: ignore}
  pprof: {remote: {endpoint: "http://localhost:1"}}
  file: {include: ["${folder}/*.json"], start_at: beginning}
  nop:
processors:
  batch:
  memory_limiter: {check_interval: 1s, limit_mib: 4000}
  resource: {attributes: [{key: a, value: b, action: insert}]}
  resource_detection: {detectors: [env, system]}
  k8s_attributes: {passthrough: true}
  relabel: {rules: [{action: labeldrop, regex: x}]}
  enrich: {targets: [{a: b}], target_match_label: a}
  symbolize:
exporters:
  debug:
  nop:
  file: {path: "${folder}/out"}
  otlp_grpc: {endpoint: "localhost:1", sending_queue: {storage: file_storage, batch: {}}, retry_on_failure: {enabled: false}}
  otlp_http: {endpoint: "http://localhost:1", retry_on_failure: {enabled: false}}
  pyroscope: {endpoint: "http://localhost:1", retry_on_failure: {enabled: false}}
  profile_files: {directory: "${folder}/profiles"}
  viewer: {endpoint: "localhost:0"}
connectors:
  forward:
service:
  extensions: [health_check, zpages, pprof, file_storage, memory_limiter, basicauth, bearertokenauth, headers_setter, oauth2client]
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {port: ${metricsPort}}}}}]}}
  pipelines:
    profiles/in:
      receivers: [otlp, profiling, pyroscope, pyroscope_scrape, pyroscope_ebpf, phlare_ebpf, pprof, file, nop]
      processors: [memory_limiter, resource, resource_detection, k8s_attributes, relabel, enrich, symbolize, batch]
      exporters: [forward]
    profiles: {receivers: [forward], exporters: [debug, nop, file, otlp_grpc, otlp_http, pyroscope, profile_files, viewer]}
`;

/** What promtool says to a page of metrics, but for what the Collector's names are known for. */
function complaints(page: string): string[] {
  const promtool = debianBinary('prometheus', 'usr/bin/promtool', '--version');
  const { status, stdout, stderr, error } = spawnSync(promtool, ['check', 'metrics'], {
    input: page,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  // 3: it could read the page and has something to say to the style.
  assert.ok(status === 0 || status === 3, `exit ${status}: ${stderr}`);
  return `${stdout}${stderr}`
    .split('\n')
    .filter((line) => line !== '' && !line.endsWith('counter metrics should have "_total" suffix'));
}

async function sendOne(t: TestContext, endpoint: string): Promise<void> {
  const config = otlpGrpcExporterFactory.schema.parse({
    endpoint,
    tls: { insecure: true },
    sending_queue: { enabled: false },
  });
  const exporter = otlpGrpcExporterFactory.create(testSettings('otlp_grpc'), config);
  await exporter.start(testHost(), never());
  t.after(() => exporter.shutdown(AbortSignal.timeout(1_000)));
  await exporter.consumeProfiles(batchFromFolded('main;work 3'), never());
}

test('promtool has nothing against the metrics of a collector with every component', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'promtool-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'broken.json'), 'no profiles\n');
  const port = await freePort();
  const yaml = everything(folder, port);
  for (const factory of Object.values<readonly { readonly type: string }[]>({ ...distribution }).flat())
    assert.match(yaml, new RegExp(`^  ${factory.type}:`, 'm'));
  const { endpoints } = await runningService(t, yaml, true, PATIENT);
  await sendOne(t, endpoints[0] ?? '');
  const page = await (await fetch(`http://localhost:${port}/metrics`)).text();
  assert.ok((page.match(/^# TYPE/gm) ?? []).length > 80);
  assert.match(page, /^otelcol_receiver_accepted_profile_samples\{[^}]*\} [1-9]/m);
  assert.deepEqual(complaints(page), []);
  const bad = page.replaceAll('receiver_profiling_native_values', 'receiver_profiling_native_gauge');
  assert.deepEqual(complaints(bad), [
    `otelcol_receiver_profiling_native_gauge metric name should not include type 'gauge'`,
  ]);
});
