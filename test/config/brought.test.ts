// SPDX-License-Identifier: Apache-2.0
// What people bring from the Go Collector, and what ours says to it; see brought/README.md.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { parse, stringify } from 'yaml';
import { BUILD } from '../../src/cli/build-info.ts';
import { defaultFeatureGates } from '../../src/component/feature-gates.ts';
import { ConfigError } from '../../src/config/config-error.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { LoadedConfig } from '../../src/config/loaded-config.ts';
import { distribution } from '../../src/distribution.ts';
import { never } from '../../src/internal/testing/settings.ts';
import { checkService, createService } from '../../src/service/service.ts';
import { PATIENT } from '../integration/running-service.ts';
import { type Brought, broughtEnvironment, everyBrought } from './brought.ts';

const environment = broughtEnvironment();
const storage = environment['STORAGE'] ?? '';
// This one is read by the component, not by the configuration.
process.env['KUBE_NODE_NAME'] = environment['KUBE_NODE_NAME'];
after(() => rmSync(storage, { recursive: true }));

const gates = defaultFeatureGates();
const brought = everyBrought();

async function load(text: string, label: string): Promise<LoadedConfig> {
  return loadConfig([{ location: `yaml:${text}`, label }], { distribution, gates, environment });
}

/** What ours makes of it: the verdict and every line that goes with it. */
async function verdict({ name, text }: Brought): Promise<Pick<Brought, 'ours' | 'says'>> {
  const lines = (texts: readonly string[]): string[] =>
    texts.flatMap((line) => line.split('\n')).map((line) => line.replaceAll(storage, '${env:STORAGE}'));
  try {
    const config = await load(text, name);
    checkService(config, { build: BUILD, gates });
    return { ours: 'accepted', says: lines(config.warnings) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { ours: 'refused', says: lines([error.message]) };
  }
}

type Section = Readonly<Record<string, unknown>> | null;

/** The default ports of servers are taken by what runs beside this test: the system chooses others. */
function withFreePorts(text: string): string {
  const tree = parse(text, { merge: true }) as Readonly<Record<string, Section>>;
  const free = 'localhost:0';
  const map = (section: Section | undefined, change: (id: string, config: object) => object): object =>
    Object.fromEntries(Object.entries(section ?? {}).map(([id, config]) => [id, change(id, config ?? {})]));
  const receivers = map(tree['receivers'], (id, config) => {
    // Without privileges the profiler falls back to what it may do.
    if (id.startsWith('profiling')) return { ...config, error_mode: 'ignore' };
    if (!id.startsWith('otlp') || id.startsWith('otlp_json')) return config;
    const { protocols } = config as { protocols: Section };
    return {
      protocols: map(protocols, (_, server) =>
        'transport' in server && server.transport === 'unix' ? server : { ...server, endpoint: free },
      ),
    };
  });
  const extensions = map(tree['extensions'], (id, config) => {
    if (/^(?:zpages|pprof)/.test(id)) return { ...config, endpoint: free };
    if (!id.startsWith('health_check')) return config;
    const http = 'http' in config ? { http: { ...(config.http as object), endpoint: free } } : {};
    return { ...config, ...http, ...('use_v2' in config ? {} : { endpoint: free }) };
  });
  return stringify({ ...tree, receivers, extensions });
}

describe('a configuration that people bring', () => {
  it('is there in numbers', () => {
    assert.ok(brought.length > 80, `${brought.length} files`);
    assert.ok(brought.filter(({ starts }) => starts).length > 35);
  });

  for (const one of brought) {
    it(`gets its verdict and its messages: ${one.name}`, async () => {
      assert.deepEqual(await verdict(one), { ours: one.ours, says: one.says });
    });

    it(`has a reason where the Go Collector decides otherwise: ${one.name}`, () => {
      assert.notEqual(one.source, '');
      const differs = one.go !== 'not built' && one.go !== one.ours;
      assert.equal(one.why !== undefined, differs, `go: ${one.go}, ours: ${one.ours}, why: ${one.why}`);
    });

    if (!one.starts) continue;
    it(`starts and stops: ${one.name}`, async () => {
      const log: string[] = [];
      const config = await load(withFreePorts(one.text), one.name);
      const quiet = {
        ...config.service.telemetry,
        metrics: { ...config.service.telemetry.metrics, level: 'none' as const },
      };
      const service = createService(
        { ...config, service: { ...config.service, telemetry: quiet } },
        { build: BUILD, gates, clock: PATIENT.clock, writeLog: (line) => log.push(line) },
      );
      await service.start(never());
      await service.shutdown(AbortSignal.timeout(PATIENT.limitMs));
      const said = log.join('\n');
      assert.match(said, /Everything is ready\. Begin running and processing data\./);
      assert.match(said, /Shutdown complete\./);
    });
  }
});
