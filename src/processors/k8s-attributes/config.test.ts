// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keysNotActing } from '../../config/schema-walk.ts';
import { testProcessorContract } from '../../internal/testing/component-contract.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { configSchema } from './config.ts';
import { k8sAttributesProcessorFactory } from './factory.ts';
import { DEFAULT_METADATA } from './metadata-fields.ts';

testProcessorContract(k8sAttributesProcessorFactory, { passthrough: true });

test('an empty section has the defaults of the Collector', () => {
  const config = configSchema.parse(null);
  assert.equal(config.auth_type, 'serviceAccount');
  assert.equal(config.pod_delete_grace_period, 120_000);
  assert.equal(config.wait_for_metadata_timeout, 10_000);
  assert.deepEqual([...config.extract.metadata], DEFAULT_METADATA);
  assert.deepEqual(
    config.exclude.pods.map(({ name }) => name.source),
    ['jaeger-agent', 'jaeger-collector'],
  );
});

test('watch_sync_period is accepted and told to do nothing', () => {
  const keys = keysNotActing(configSchema, { watch_sync_period: '5m', kube_api_qps: 3 });
  assert.deepEqual(
    keys.map(({ path }) => path),
    [['watch_sync_period']],
  );
});

test('filter.namespace is a text or a list', () => {
  const namespaces = (namespace: unknown) => configSchema.parse({ filter: { namespace } }).filter.namespace;
  assert.deepEqual(namespaces('shop'), ['shop']);
  assert.deepEqual(namespaces(['shop', 'web']), ['shop', 'web']);
});

test('what cannot act is told at start', async () => {
  const config = configSchema.parse({
    passthrough: true,
    pod_association: [{ sources: [{ from: 'connection' }] }],
  });
  const settings = testSettings('k8s_attributes');
  const processor = k8sAttributesProcessorFactory.create(settings, config, new RecordingConsumer());
  await processor.start(testHost(), never());
  assert.deepEqual(
    settings.logger.messages('warn').map((message) => message.split(':')[0]),
    ['passthrough does nothing', 'pod_association rules with "from'],
  );
});

test('outside of a cluster start says what is missing', async () => {
  const processor = k8sAttributesProcessorFactory.create(
    testSettings('k8s_attributes'),
    configSchema.parse({}),
    new RecordingConsumer(),
  );
  await assert.rejects(
    processor.start(testHost(), never()),
    /KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined/,
  );
  await processor.shutdown(never());
});

const source = { from: 'resource_attribute', name: 'container.id' };
const refused: [unknown, string][] = [
  [
    { auth_type: 'tls' },
    'invalid authType for kubernetes: tls (valid values: [serviceAccount kubeConfig none])',
  ],
  [{ extract: { metadata: ['k8s.pod.colour'] } }, '"k8s.pod.colour" is not a supported metadata field'],
  [
    { extract: { labels: [{ key: 'a', key_regex: 'b' }] } },
    'Out of Key or KeyRegex only one option is expected to be configured at a time, currently Key:a and KeyRegex:b',
  ],
  [{ extract: { labels: [{ tag_name: 'a' }] } }, 'one of "key" and "key_regex" is required'],
  [
    { extract: { labels: [{ key: 'a', from: 'cluster' }] } },
    'cluster is not a valid choice for From. Must be one of: pod, namespace, node',
  ],
  [{ extract: { annotations: [{ key_regex: '(' }] } }, 'missing closing )'],
  [{ pod_association: [{ sources: Array(5).fill(source) }] }, 'too many association sources. limit is 4'],
  [{ pod_association: [{ sources: [source] }, { sources: [source] }] }, 'duplicate pod association rule'],
  [{ pod_association: [{ sources: [{ from: 'resource_attribute' }] }] }, '"name" is required'],
  [{ exclude: { pods: [{ name: '[' }] } }, 'missing closing ]'],
  [
    { filter: { labels: [{ key: 'a', op: 'in' }] } },
    "'in' is not a valid label filter operation (valid values: [equals not-equals exists does-not-exist])",
  ],
  [{ filter: { fields: [{ key: 'a', op: 'exists' }] } }, "'exists' is not a valid label filter operation"],
  [
    { filter: { node_from_env_var: 'NO_SUCH_VARIABLE' } },
    '`node_from_env_var` is configured but envvar "NO_SUCH_VARIABLE" is not set',
  ],
  [{ kubelet: { endpoint: 'x' } }, 'is not available in this distribution'],
  [{ pod_asociation: [] }, 'Unrecognized key: "pod_asociation"'],
];

for (const [config, message] of refused) {
  test(`the configuration ${JSON.stringify(config)} is refused`, () => {
    const result = configSchema.safeParse(config);
    const messages = result.success ? ['accepted'] : result.error.issues.map((issue) => issue.message);
    assert.ok(
      messages.some((text) => text.includes(message)),
      messages.join('\n'),
    );
  });
}
