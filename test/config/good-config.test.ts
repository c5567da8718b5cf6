// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BUILD } from '../../src/cli/build-info.ts';
import { BUILT_IN_CONFIG } from '../../src/cli/built-in-config.ts';
import type { AnyFactory } from '../../src/component/factory.ts';
import { defaultFeatureGates } from '../../src/component/feature-gates.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { ConfigSource } from '../../src/config/resolve.ts';
import { loadAllFactories } from '../../src/component/factory.ts';
import { distribution } from '../../src/distribution.ts';
import { checkService } from '../../src/service/service.ts';

const factories = await loadAllFactories(distribution);

const file = (name: string): ConfigSource => ({
  location: fileURLToPath(new URL(name, import.meta.url)),
  label: name,
});

describe('a configuration of this distribution', () => {
  for (const [name, sources, warnings] of [
    ['the built-in one', [{ location: `yaml:${BUILT_IN_CONFIG}` }], []],
    ['the one at the root of the repository', [file('../../config.yaml')], []],
    ['the Pyroscope example for the eBPF profiler', [file('ebpf-profiler.good.yaml')], []],
    [
      'the Pyroscope example for Kubernetes',
      [file('ebpf-profiler.good.yaml'), file('ebpf-profiler-k8s.good.yaml')],
      [
        'ebpf-profiler-k8s.good.yaml:3:3: processors::k8sattributes/profiles: type "k8sattributes" is an older name of "k8s_attributes"; please write "k8s_attributes"',
      ],
    ],
  ] as const satisfies readonly (readonly [string, readonly ConfigSource[], readonly string[]])[]) {
    it(`is valid and builds: ${name}`, async () => {
      const gates = defaultFeatureGates();
      const config = await loadConfig(sources, { distribution, gates, environment: {} });
      assert.deepEqual(config.warnings, warnings);
      checkService(config, { build: BUILD, gates });
    });
  }

  it('has no two components of one kind under one name', () => {
    for (const list of Object.values<readonly AnyFactory[]>({ ...factories })) {
      const names = list.flatMap((factory) => [factory.type, ...(factory.aliases ?? [])]);
      assert.equal(new Set(names).size, names.length, names.join());
    }
  });
});
