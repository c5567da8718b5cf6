// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stringify } from 'yaml';
import { defaultFeatureGates } from '../../src/component/feature-gates.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { LoadedConfig } from '../../src/config/loaded-config.ts';
import { Secret } from '../../src/config/sections/secret.ts';
import { fakeFactories } from './fake-factories.ts';

const SERVICE = `
service:
  pipelines:
    profiles:
      receivers: [host]
      exporters: [nop]
`;

function load(text: string, environment: Record<string, string> = {}): Promise<LoadedConfig> {
  return loadConfig([{ location: `yaml:${text}`, label: 'c.yaml' }], {
    distribution: fakeFactories,
    gates: defaultFeatureGates(),
    environment,
  });
}

const host = (body: string, environment: Record<string, string> = {}): Promise<LoadedConfig> =>
  load(`receivers: {host: {${body}}}\nexporters: {nop: }\n${SERVICE}`, environment);

describe('a loaded configuration', () => {
  it('holds components by id with their factories, and pipelines with parsed ids', async () => {
    const config = await load(`
receivers: {host: , " host / b ": {rate: 7}}
processors: {batch: , batch/x: {timeout: 1m30s}}
exporters: {nop: }
extensions: {health_check: }
service:
  extensions: [health_check]
  pipelines:
    profiles/main: {receivers: "host, host/b", processors: [batch/x, batch], exporters: [nop, nop]}
`);
    assert.deepEqual([...config.receivers.keys()], ['host', 'host/b']);
    assert.equal(config.receivers.get('host/b')?.factory.type, 'host');
    assert.equal(receiver(config, 'host/b')['rate'], 7);
    assert.deepEqual(config.processors.get('batch/x')?.config, { timeout: 90_000, size: 2 });
    const pipeline = config.service.pipelines.get('profiles/main');
    assert.deepEqual(pipeline?.id, { type: 'profiles', name: 'main', text: 'profiles/main' });
    const texts = (['receivers', 'processors', 'exporters'] as const).map((stage) =>
      pipeline?.[stage].map((id) => id.text),
    );
    assert.deepEqual(texts, [['host', 'host/b'], ['batch/x', 'batch'], ['nop']]);
    assert.deepEqual(
      config.service.extensions.map((id) => id.text),
      ['health_check'],
    );
    assert.deepEqual(config.warnings, []);
  });

  it('gives a key of type string the text of a variable, and an int its YAML value', async () => {
    const config = await host(
      'node: "${env:N}", password: "${env:P}", filter: "${env:N}", rate: "${env:R}"',
      {
        N: 'true',
        P: '0123',
        R: '0123',
      },
    );
    const { node, password, filter, rate } = receiver(config, 'host');
    assert.deepEqual([node, filter, rate], ['true', 'true', 83]);
    assert.ok(password instanceof Secret);
    assert.equal(password.reveal(), '0123');
  });

  it('takes a null as the default', async () => {
    const { config } = (await host('rate: , mode: , node: ~')).receivers.get('host') ?? {};
    assert.deepEqual(config, { rate: 20, ratio: 0.5, names: [], mode: 'basic' });
  });

  it('splits a text where a list is wanted', async () => {
    const { config } = (await host('names: "${env:NAMES}"', { NAMES: 'a, b' })).receivers.get('host') ?? {};
    assert.deepEqual((config as { names: unknown }).names, ['a', 'b']);
  });

  it('tells an absent part from an empty one', async () => {
    const config = await load(
      `receivers: {otlp: {protocols: {grpc: }}}\nexporters: {nop: }\n${SERVICE.replace('host', 'otlp')}`,
    );
    const { protocols } = receiver(config, 'otlp') as {
      protocols: Record<string, { endpoint: string }>;
    };
    assert.equal(protocols['grpc']?.endpoint, 'localhost:4317');
    assert.equal('http' in protocols, false);
  });

  it('warns of older names, keys without effect and components without use', async () => {
    const config = await load(`
receivers: {host: , host/idle: }
exporters:
  otlp:
    endpoint: a:1
    sending_queue: {}
    tls: {include_insecure_cipher_suites: true}
extensions: {health_check: }
${SERVICE.replace('nop', 'otlp')}`);
    assert.deepEqual(config.warnings, [
      'c.yaml:4:3: exporters::otlp: type "otlp" is an older name of "otlp_grpc"; please write "otlp_grpc"',
      'c.yaml:7:43: exporters::otlp::tls::include_insecure_cipher_suites: does not act: insecure suites are never offered',
      'c.yaml:2:21: receivers::host/idle: is configured but not used in any pipeline',
      'c.yaml:8:14: extensions::health_check: is configured but not listed in service::extensions',
    ]);
  });

  it('has the telemetry defaults of the Collector', async () => {
    const { logs, metrics } = (await host('')).service.telemetry;
    assert.deepEqual(
      [logs.level, logs.encoding, logs.output_paths, logs.sampling],
      ['info', 'console', ['stderr'], { enabled: true, tick: 10_000, initial: 10, thereafter: 100 }],
    );
    assert.equal(metrics.level, 'normal');
    assert.deepEqual(
      metrics.readers.map((reader) => reader.pull?.exporter.prometheus.port),
      [8888],
    );
  });

  it('reads both forms of telemetry::resource', async () => {
    const { resource: inline } = (
      await host('').then(() =>
        load(
          `receivers: {host: }\nexporters: {nop: }${SERVICE}  telemetry: {resource: {service.name: x, a: 5, service.version: null}}`,
        ),
      )
    ).service.telemetry;
    assert.deepEqual(inline, { 'service.name': 'x', a: '5', 'service.version': null });
    const { resource } = (
      await load(
        `receivers: {host: }\nexporters: {nop: }${SERVICE}  telemetry: {resource: {attributes: [{name: b, value: true}]}}`,
      )
    ).service.telemetry;
    assert.deepEqual(resource, { b: 'true' });
  });

  it('prints itself with defaults as a configuration that loads to the same', async () => {
    const config = await load(`
receivers: {host: {password: "p$$w", filter: [a]}, otlp: {protocols: {http: {cors: {allowed_origins: "*"}}}}}
processors: {batch: {timeout: 0.5s}}
exporters:
  otlp_grpc: {endpoint: "a:1", headers: {x: "1"}, keepalive: }
  push: {endpoint: "http://a", timeout: 1m}
${SERVICE.replace('[host]', '[host, otlp]').replace('[nop]', '[otlp_grpc, push]')}`);
    const shown = stringify(config.effective({ redact: true }));
    assert.match(shown, /password: "\[REDACTED\]"/);
    assert.match(shown, /x: "\[REDACTED\]"/);
    assert.doesNotMatch(shown, /p\$w/);
    assert.match(shown, /timeout: 0\.5s\n/);
    assert.match(shown, /max_interval: 30s\n/);
    const plain = stringify(config.effective({ redact: false })).replaceAll('$', '$$$$');
    const again = await load(plain);
    for (const section of ['receivers', 'processors', 'exporters'] as const) {
      const configs = (of: LoadedConfig): unknown =>
        [...of[section].values()].map((component) => reveal(component.config));
      assert.deepEqual(configs(again), configs(config));
    }
    assert.deepEqual(again.service.telemetry, config.service.telemetry);
  });
});

/** What a receiver's schema made of its section. */
function receiver(config: LoadedConfig, id: string): Record<string, unknown> {
  const configured = config.receivers.get(id);
  assert.ok(configured, `no receiver ${id}`);
  return configured.config as Record<string, unknown>;
}

/** Secrets as texts, so that they can be compared. */
function reveal(value: unknown): unknown {
  if (value instanceof Secret) return value.reveal();
  if (Array.isArray(value)) return value.map(reveal);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, reveal(inner)]));
}
