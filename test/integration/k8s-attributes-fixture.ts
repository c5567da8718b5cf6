// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type Clock, systemClock } from '../../src/internal/clock.ts';
import { RecordingConsumer } from '../../src/internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { stringValue, valueToText } from '../../src/pdata/any-value.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { configSchema } from '../../src/processors/k8s-attributes/config.ts';
import { createK8sAttributesProcessor } from '../../src/processors/k8s-attributes/processor.ts';
import { FakeKubernetes, type FakeKubernetesOptions } from './fake-kubernetes.ts';

export type Texts = Record<string, string>;

/** Time that waits a hundredth of what it is told, so that back-offs are short. */
export const hurriedClock: Clock = {
  now: systemClock.now,
  elapsed: systemClock.elapsed,
  setTimeout: (run, delayMs) => systemClock.setTimeout(run, delayMs / 100),
};

export async function serve(t: TestContext, options: FakeKubernetesOptions = {}) {
  const fake = new FakeKubernetes(options);
  const url = await fake.listen();
  t.after(() => fake.close());
  const directory = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
  t.after(() => rm(directory, { recursive: true }));
  return { fake, url, directory };
}

export async function kubeconfig(
  directory: string,
  server: string,
  user: object = {},
  cluster: object = {},
): Promise<string> {
  const path = join(directory, 'config');
  const content = {
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server, ...cluster } }],
    users: [{ name: 'u', user }],
  };
  await writeFile(path, JSON.stringify(content));
  return path;
}

/** A processor that watches through the kubeconfig; `ask` sends a resource through it. */
export async function start(t: TestContext, path: string, config: object = {}, clock = hurriedClock) {
  const settings = testSettings('k8s_attributes');
  const next = new RecordingConsumer();
  const parsed = configSchema.parse({
    auth_type: 'kubeConfig',
    kube_config_path: path,
    wait_for_metadata: true,
    // On the hurried clock 36 s: a busy host takes its time to list.
    wait_for_metadata_timeout: '1h',
    kube_api_qps: 1000,
    ...config,
  });
  const processor = createK8sAttributesProcessor(settings, parsed, next, clock);
  t.after(() => processor.shutdown(never()));
  await processor.start(testHost(), never());
  const ask = async (attributes: Texts): Promise<Texts> => {
    const list = Object.entries(attributes).map(([key, text]) => ({ key, value: stringValue(text) }));
    const batch = batchFromFolded('main 1').mapResources((r) => ({
      ...r,
      scopes: r.scopes,
      resource: { ...r.resource, attributes: list },
    }));
    await processor.consumeProfiles(batch, never());
    const out = next.batches.at(-1)?.resources[0]?.resource.attributes ?? [];
    return Object.fromEntries(out.map(({ key, value }) => [key, valueToText(value)]));
  };
  /** Asks until the answer satisfies. */
  const askUntil = async (attributes: Texts, satisfied: (answer: Texts) => boolean): Promise<Texts> => {
    for (;;) {
      const answer = await ask(attributes);
      if (satisfied(answer)) return answer;
      await turn();
    }
  };
  return { processor, settings, ask, askUntil };
}
