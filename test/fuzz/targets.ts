// SPDX-License-Identifier: Apache-2.0
import { compressionTarget } from './compression.ts';
import { foldedTarget } from './folded.ts';
import { GoPdata, goTarget, startGo } from './go.ts';
import { grpcMessageTarget } from './grpc-message.ts';
import { jfrTarget } from './jfr.ts';
import { ingestTarget } from './ingest.ts';
import { jsonTarget } from './json.ts';
import { modelTarget } from './model.ts';
import { otlpTarget } from './otlp.ts';
import { pprofDeltaTarget } from './pprof-delta.ts';
import { pprofTarget } from './pprof.ts';
import type { FuzzTarget } from './target.ts';

/** The targets that need nothing but this project. */
export const TARGETS: readonly FuzzTarget[] = [
  otlpTarget,
  modelTarget,
  jsonTarget,
  pprofTarget,
  pprofDeltaTarget,
  foldedTarget,
  jfrTarget,
  compressionTarget,
  grpcMessageTarget,
  ingestTarget,
];

/** All there are. */
export const TARGET_NAMES: readonly string[] = [...TARGETS.map(({ name }) => name), 'go'];

/** A target, or why it cannot run here; `close` lets go of what it holds. */
export interface OpenTarget {
  readonly target?: FuzzTarget;
  readonly missing?: string;
  readonly close: () => void;
}

/** The target of a name in `TARGET_NAMES`. */
export function openTarget(name: string): OpenTarget {
  const target = TARGETS.find((known) => known.name === name);
  if (target !== undefined) return { target, close: () => {} };
  const go = startGo();
  if (!(go instanceof GoPdata)) return { missing: go.missing, close: () => {} };
  return { target: goTarget(go), close: () => go.close() };
}
