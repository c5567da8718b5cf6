// SPDX-License-Identifier: Apache-2.0
import type { BuildInfo } from './build-info.ts';

import type { FeatureGate } from './feature-gates.ts';
import type { Kind, Stability } from './kind.ts';
import type { StatusEvent } from './status.ts';

/** Running totals of what came to the beginning of a pipeline. */
export interface Traffic {
  readonly batches: number;
  readonly samples: number;
  /** Sampled events: a record with n timestamps stands for n. */
  readonly events: number;
  /** Of these, what the pipeline refused or lost on its way. */
  readonly failedBatches: number;
  readonly failedSamples: number;
}

/** A running pipeline; ids as in the configuration, connectors among receivers and exporters. */
export interface PipelineView {
  readonly id: string;
  readonly receivers: readonly string[];
  readonly processors: readonly string[];
  readonly exporters: readonly string[];
  readonly traffic: Traffic;
}

/** A running component. */
export interface ComponentView {
  readonly kind: Kind;
  readonly id: string;
  readonly stability: Stability;
  /** The pipeline that a processor belongs to; the others belong to all that name them. */
  readonly pipeline?: string;
}

/** What a component last reported of itself, or the service of it. */
export interface ComponentStatus {
  readonly component: ComponentView;
  readonly status: StatusEvent['status'] | 'none' | 'starting';
  readonly error?: Error;
  /** Since when, in milliseconds since the epoch; of an error: since the component was last well. */
  readonly sinceMs: number;
}

/** The service as its extensions may see it; what it gives is of the moment. */
export interface ServiceView {
  readonly build: BuildInfo;
  readonly startedAtMs: number;
  /** After a reload others; the totals of a pipeline go on where its id stays. */
  readonly pipelines: readonly PipelineView[];
  gates(): readonly FeatureGate[];
  /** The configuration with every default, as plain values; secrets are hidden. */
  config(): unknown;
  /** One entry a component, extensions first. */
  statuses(): readonly ComponentStatus[];
}
