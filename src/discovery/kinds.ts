// SPDX-License-Identifier: Apache-2.0
import type { LabelSet } from '../relabel/relabel.ts';
import type { JoinConfig, TargetGroupConfig } from './config.ts';
import type { SourceContext, TargetSource } from './target.ts';

/** A source before its code is loaded. */
export interface PlannedSource {
  /** Key and index: `http_sd_configs::0`. */
  readonly name: string;
  /** What it finds is of use at once or never: it is told sooner than that of others. */
  readonly hurries: boolean;
  load(context: SourceContext): Promise<TargetSource>;
}

/** A discovery within another. */
interface NestedDiscovery {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Makes a discovery whose targets another source needs; `name` is the source's. */
export type OpenNested = (
  name: string,
  config: JoinConfig,
  onTargets: (targets: readonly LabelSet[]) => void,
) => NestedDiscovery;

type Open<Config> = (config: Config, context: SourceContext, name: string) => Promise<TargetSource>;

/** The sources of a group of the configuration that find something out; the code of a kind is loaded when there is one. */
export function plannedSources(config: TargetGroupConfig, openNested: OpenNested): PlannedSource[] {
  const plan = <Config>(key: string, configs: readonly Config[], open: Open<Config>): PlannedSource[] =>
    configs.map((one, index) => {
      const name = `${key}::${index}`;
      const hurries = key === 'process_sd_configs';
      return { name, hurries, load: (context) => open(one, context, name) };
    });
  return [
    ...plan('file_sd_configs', config.file_sd_configs, async (one, context) =>
      (await import('./file/source.ts')).fileSource(one, context),
    ),
    ...plan('http_sd_configs', config.http_sd_configs, async (one, context) =>
      (await import('./http/source.ts')).httpSource(one, context),
    ),
    ...plan('dns_sd_configs', config.dns_sd_configs, async (one, context) =>
      (await import('./dns/source.ts')).dnsSource(one, context),
    ),
    ...plan('docker_sd_configs', config.docker_sd_configs, async (one, context) =>
      (await import('./docker/source.ts')).dockerSource(one, context),
    ),
    ...plan('dockerswarm_sd_configs', config.dockerswarm_sd_configs, async (one, context) =>
      (await import('./dockerswarm/source.ts')).dockerSwarmSource(one, context),
    ),
    ...plan('kubernetes_sd_configs', config.kubernetes_sd_configs, async (one, context) =>
      (await import('./kubernetes/source.ts')).kubernetesSource(one, context),
    ),
    ...plan('process_sd_configs', config.process_sd_configs, async (one, context, name) => {
      const { processSource } = await import('./process/source.ts');
      const { join } = one;
      return processSource(one, context, join && ((onTargets) => openNested(name, join, onTargets)));
    }),
  ];
}
