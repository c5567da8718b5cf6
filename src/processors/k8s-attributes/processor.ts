// SPDX-License-Identifier: Apache-2.0
import type { Component, Processor, Settings } from '../../component/component.ts';
import { resourceProcessor } from '../../component/resource-processor.ts';
import type { ProfilesConsumer } from '../../consumer/consumer.ts';
import {
  type ApiConnection,
  anonymousConnection,
  inClusterConnection,
} from '../../discovery/kubernetes/connection.ts';
import { kubeconfigConnection } from '../../discovery/kubernetes/kubeconfig.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import type { Attributes } from '../../pdata/attributes.ts';
import { AttributesMemo } from '../../pdata/attributes-memo.ts';
import { withResourceAttributes } from '../../pdata/profiles-batch.ts';
import { associationSources, identify } from './association.ts';
import { ClusterView } from './cluster-view.ts';
import type { Config } from './config.ts';
import { enrich } from './enrich.ts';
import { compileFieldRules } from './field-rules.ts';
import { nodeOf } from './object-kinds.ts';
import type { Extraction } from './pod-attributes.ts';

/** Resources whose result is remembered until the view of the cluster changes. */
const REMEMBERED = 10_000;

interface Outcome {
  readonly attributes: Attributes;
  readonly status: 'success' | 'error';
  /** The attributes that identified the pod, for the metric. */
  readonly identifier: string;
}

export function createK8sAttributesProcessor(
  settings: Settings,
  config: Config,
  next: ProfilesConsumer,
  clock: Clock = systemClock,
): Processor {
  const { logger, meter } = settings;
  const rules = associationSources(config.pod_association);
  const extraction: Extraction = {
    fields: config.extract.metadata,
    rules: compileFieldRules(config.extract),
    deploymentFromName: config.extract.deployment_name_from_replicaset,
  };
  const associations = meter.counter('k8s_pod_association', 'Resources by whether their pod was found', [
    'status',
    'pod_identifier',
    'otelcol_signal',
  ]);
  const misses = meter.counter('otelsvc_k8s_ip_lookup_miss', 'Resources that name a pod which is not known');
  const remembered = new AttributesMemo<Outcome>(REMEMBERED);
  let rememberedAt = -1;
  let view: ClusterView | undefined;

  const outcomeOf = (known: ClusterView, attributes: Attributes): Outcome => {
    const identified = identify(attributes, rules);
    const pod = identified === undefined ? undefined : known.findPod(identified.identity);
    return {
      attributes: enrich(attributes, pod, extraction, known.findObject),
      status: pod === undefined ? 'error' : 'success',
      identifier: identified?.sources.join(',') ?? '',
    };
  };

  const lifecycle: Component = {
    async start(_host, signal) {
      warnOfWhatCannotAct(settings, config);
      if (config.passthrough) return;
      if (nodeOf(config.filter) === '') {
        logger.info('watching the pods of all nodes; on each node of a cluster set filter.node_from_env_var');
      }
      const connection = await connect(config);
      view = new ClusterView({ settings, config, connection, extraction, rules, clock });
      try {
        await view.start(signal);
      } catch (error) {
        await view.shutdown();
        throw error;
      }
    },
    async shutdown() {
      await view?.shutdown();
    },
  };

  return resourceProcessor(
    next,
    (resource) => {
      if (view === undefined) return resource;
      const generation = view.generation();
      if (generation !== rememberedAt) remembered.clear();
      rememberedAt = generation;
      const { attributes } = resource.resource;
      let outcome = remembered.get(attributes);
      if (outcome === undefined) {
        outcome = outcomeOf(view, attributes);
        remembered.set(attributes, outcome);
      }
      const { status, identifier } = outcome;
      associations.add(1, { status, pod_identifier: identifier, otelcol_signal: 'profiles' });
      if (status === 'error' && identifier !== '') misses.add(1);
      return withResourceAttributes(resource, outcome.attributes);
    },
    lifecycle,
  );
}

function connect(config: Config): Promise<ApiConnection> {
  switch (config.auth_type) {
    case 'kubeConfig':
      return kubeconfigConnection({ path: config.kube_config_path, context: config.context });
    case 'none':
      return Promise.resolve(anonymousConnection());
    case 'serviceAccount':
      return inClusterConnection();
  }
}

function warnOfWhatCannotAct({ logger }: Settings, config: Config): void {
  if (config.passthrough) {
    logger.warn(
      'passthrough does nothing: it stamps the address of the connection, which profiles do not carry',
    );
  }
  const connections = config.pod_association.flatMap((rule, i) =>
    rule.sources.some((s) => s.from === 'connection') ? [i] : [],
  );
  if (connections.length > 0) {
    logger.warn(
      'pod_association rules with "from: connection" never match: profiles carry no client address; use container.id or k8s.pod.uid',
      { rules: connections },
    );
  }
}
