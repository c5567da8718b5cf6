// SPDX-License-Identifier: Apache-2.0
import { type SpanContext, TraceFlags } from '@opentelemetry/api';
import type { DecisionConfig, SamplerConfig } from '../../config/telemetry-export.ts';

/** Whether a span is kept, by its trace and by the span that it is part of. */
export type Sampler = (traceId: string, parent: SpanContext | undefined) => boolean;

/** The configured sampler; absent: what the parent decided, and everything that has none. */
export function samplerOf(config: SamplerConfig | undefined): Sampler {
  if (config !== undefined && config.parent_based === undefined) return decisionOf(config, true);
  const { root, ...of } = config?.parent_based ?? {};
  const atRoot = decisionOf(root, true);
  const remoteSampled = decisionOf(of.remote_parent_sampled, true);
  const remoteNotSampled = decisionOf(of.remote_parent_not_sampled, false);
  const localSampled = decisionOf(of.local_parent_sampled, true);
  const localNotSampled = decisionOf(of.local_parent_not_sampled, false);
  return (traceId, parent) => {
    if (parent === undefined) return atRoot(traceId, parent);
    const isSampled = (parent.traceFlags & TraceFlags.SAMPLED) !== 0;
    if (parent.isRemote === true) return (isSampled ? remoteSampled : remoteNotSampled)(traceId, parent);
    return (isSampled ? localSampled : localNotSampled)(traceId, parent);
  };
}

function decisionOf(config: DecisionConfig | undefined, otherwise: boolean): Sampler {
  if (config?.always_on !== undefined) return () => true;
  if (config?.always_off !== undefined) return () => false;
  const ratio = config?.trace_id_ratio_based?.ratio;
  if (ratio === undefined) return () => otherwise;
  // The Go SDK decides by the same 63 bits: both keep the same traces.
  const limit = BigInt(Math.floor(ratio * 2 ** 63));
  return (traceId) => ratio >= 1 || BigInt(`0x${traceId.slice(16)}`) >> 1n < limit;
}
