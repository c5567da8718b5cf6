// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { RecordingConsumer } from '../../src/internal/testing/recording-consumer.ts';
import { never, testSettings } from '../../src/internal/testing/settings.ts';
import { getText } from '../../src/pdata/attributes.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { k8sAttributesProcessorFactory } from '../../src/processors/k8s-attributes/factory.ts';
import { relabelProcessorFactory } from '../../src/processors/relabel/factory.ts';
import { resourceProcessorFactory } from '../../src/processors/resource/factory.ts';
import { resourceDetectionProcessorFactory } from '../../src/processors/resource-detection/factory.ts';
import { symbolizeProcessorFactory } from '../../src/processors/symbolize/factory.ts';

/** The component's configuration in the first YAML block of its README. */
function example(type: string): unknown {
  const path = new URL(`../../src/processors/${type.replaceAll('_', '-')}/README.md`, import.meta.url);
  const yaml = /```yaml\n([\s\S]*?)```/.exec(readFileSync(path, 'utf8'))?.[1] ?? '';
  const { processors } = parse(yaml) as { processors: Record<string, unknown> };
  return processors[type];
}

const factories = [
  k8sAttributesProcessorFactory,
  relabelProcessorFactory,
  resourceProcessorFactory,
  resourceDetectionProcessorFactory,
  symbolizeProcessorFactory,
];

for (const factory of factories) {
  test(`the example in the README of ${factory.type} is a valid configuration`, (t) => {
    process.env.K8S_NODE_NAME = 'n';
    t.after(() => delete process.env.K8S_NODE_NAME);
    const config = example(factory.type);
    assert.notEqual(config, undefined);
    factory.schema.parse(config);
  });
}

const processes: [string, Record<string, string>, string][] = [
  ['its variable', { OTEL_SERVICE_NAME: 'shop', OTEL_RESOURCE_ATTRIBUTES: 'service.name=other' }, 'shop'],
  ['its resource attributes', { OTEL_RESOURCE_ATTRIBUTES: 'a=b,service.name=cart,c=d' }, 'cart'],
  ['its executable', {}, 'nginx'],
];

for (const [what, variables, name] of processes) {
  test(`with the example of relabel a process has a service.name by ${what}`, async () => {
    const next = new RecordingConsumer();
    const config = relabelProcessorFactory.schema.parse(example('relabel'));
    const processor = relabelProcessorFactory.create(testSettings('relabel'), config, next);
    const attributes: Record<string, string> = { 'process.executable.name': 'nginx' };
    for (const [variable, value] of Object.entries(variables))
      attributes[`process.environment_variable.${variable}`] = value;
    await processor.consumeProfiles(batchFromFolded('main 1', { attributes }), never());
    const out = next.batches[0]?.resources[0]?.resource.attributes ?? [];
    assert.equal(getText(out, 'service.name'), name);
    assert.equal(out.length, 2);
  });
}
