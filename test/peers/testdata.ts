// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parse, stringify } from 'yaml';
import { defaultFeatureGates } from '../../src/component/feature-gates.ts';
import { ConfigError } from '../../src/config/config-error.ts';
import { loadConfig } from '../../src/config/load.ts';
import { distribution } from '../../src/distribution.ts';
import { needGo } from '../go.ts';
import { askGo } from './go-collector.ts';

const CORE = 'go.opentelemetry.io/collector';
const CONTRIB = 'github.com/open-telemetry/opentelemetry-collector-contrib';

/** Files of the modules that the Go Collector is built from: the section, the type, the module and the files in it. */
const FILES = [
  [
    'receivers',
    'otlp',
    `${CORE}/receiver/otlpreceiver`,
    [
      'default',
      'only_grpc',
      'only_http',
      'only_http_null',
      'only_http_empty_map',
      'bad_no_proto_config',
      'bad_proto_config',
      'typo_default_proto_config',
      'invalid_logs_path',
      'invalid_traces_path',
      'uds',
      'config',
    ],
  ],
  ['processors', 'batch', `${CORE}/processor/batchprocessor`, ['config']],
  ['processors', 'resource', `${CONTRIB}/processor/resourceprocessor`, ['config']],
  ['exporters', 'otlp', `${CORE}/exporter/otlpexporter`, ['config', 'default-batch', 'invalid_configs']],
  [
    'exporters',
    'otlphttp',
    `${CORE}/exporter/otlphttpexporter`,
    ['config', 'bad_empty_config', 'bad_invalid_encoding'],
  ],
  [
    'exporters',
    'debug',
    `${CORE}/exporter/debugexporter`,
    ['config_output_paths', 'config_output_paths_empty', 'config_verbosity', 'config_verbosity_typo'],
  ],
  ['exporters', 'file', `${CONTRIB}/exporter/fileexporter`, ['config']],
  ['extensions', 'bearertokenauth', `${CONTRIB}/extension/bearertokenauthextension`, ['config']],
  ['extensions', 'file_storage', `${CONTRIB}/extension/storage/filestorage`, ['config']],
  ['extensions', 'health_check', `${CONTRIB}/extension/healthcheckextension`, ['config']],
  ['extensions', 'pprof', `${CONTRIB}/extension/pprofextension`, ['config']],
  ['extensions', 'zpages', `${CORE}/extension/zpagesextension`, ['config']],
] as const;

/** Where ours decides otherwise than the Go Collector, and why. */
const OTHERWISE: Readonly<Record<string, string>> = {
  'receivers otlp invalid_logs_path otlp': 'logs are not received: their path is not read, a warning says so',
  'receivers otlp invalid_traces_path otlp': 'nor are traces',
  'receivers otlp uds otlp': 'sockets of the file system are not served yet',
  'receivers otlp config otlp': 'its authenticator is configured nowhere: it would not start',
  'processors resource config resource/with_defaults':
    'what a client says beside its profiles reaches no processor',
  'exporters otlp config otlp':
    'the name of a header has blanks and a question mark: no request could be sent',
  'exporters otlphttp config otlphttp': 'the same header',
  'exporters file config file/flush_interval_5': 'a duration without unit: 5 nanoseconds to the Go Collector',
};

interface Entry {
  readonly name: string;
  readonly yaml: string;
}

/** Each configuration of a file: those that it holds under ids of the type, or the file as one. */
function entriesOf(section: string, type: string, file: string, label: string): Entry[] {
  const found: unknown = parse(readFileSync(file, 'utf8'));
  const tree = (found ?? {}) as Readonly<Record<string, unknown>>;
  const ids = Object.keys(tree);
  const one = type.replaceAll('_', '');
  const named = ids.some((id) => id.split('/')[0]?.replaceAll('_', '') === one);
  const configs = named ? ids.map((id) => [id, tree[id]] as const) : [[type, found] as const];
  return configs.map(([id, config]) => {
    const base = {
      receivers: { 'otlp/of-the-test': { protocols: { grpc: null } } },
      exporters: { 'nop/of-the-test': null },
      service: {
        pipelines: { profiles: { receivers: ['otlp/of-the-test'], exporters: ['nop/of-the-test'] } },
      },
    };
    const own = { [section]: { ...Reflect.get(base, section), [id]: config } };
    return { name: `${label} ${id}`, yaml: stringify({ ...base, ...own }) };
  });
}

/** The test data of the Go Collector's own components, unchanged: the same verdict on each. */
export function testTestdata(binary: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'testdata-'));
  after(() => rmSync(folder, { recursive: true }));
  const cwd = join(import.meta.dirname, 'go-collector');
  const directories = execFileSync(needGo(), ['list', '-m', '-f', '{{.Path}} {{.Dir}}', 'all'], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const places = new Map(directories.split('\n').map((line) => [line.split(' ')[0], line.split(' ')[1]]));

  describe("the components' own test data gets the same verdict", () => {
    const seen = new Set<string>();
    for (const [section, type, module, files] of FILES) {
      for (const file of files) {
        const path = join(places.get(module) ?? '', 'testdata', `${file}.yaml`);
        it(`is there: ${section} ${type} ${file}`, () => assert.ok(existsSync(path), path));
        if (!existsSync(path)) continue;
        for (const { name, yaml } of entriesOf(section, type, path, `${section} ${type} ${file}`)) {
          seen.add(name);
          it(name, async () => {
            const own = join(folder, `${name.replaceAll(/[^a-z0-9]/gi, '-')}.yaml`);
            writeFileSync(own, yaml);
            const theirs = await askGo(binary, ['validate'], own, {});
            const ours = await verdict(yaml);
            const same = theirs.ok === (ours === '');
            assert.equal(same, !(name in OTHERWISE), `${theirs.stderr}\nours: ${ours}`);
          });
        }
      }
    }
    it('has a difference for every reason', () =>
      assert.deepEqual(
        Object.keys(OTHERWISE).filter((name) => !seen.has(name)),
        [],
      ));
  });
}

/** What ours has against it; '' where it takes it. */
async function verdict(yaml: string): Promise<string> {
  try {
    const gates = defaultFeatureGates();
    await loadConfig([{ location: `yaml:${yaml}`, label: 'testdata' }], {
      distribution,
      gates,
      environment: {},
    });
    return '';
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message;
  }
}
