// SPDX-License-Identifier: Apache-2.0
import type { BuildInfo } from '../component/component.ts';
import type { FeatureGates } from '../component/feature-gates.ts';
import type { Clock } from '../internal/clock.ts';

/** What a service is given beside its configuration. */
export interface ServiceDeps {
  readonly build: BuildInfo;
  readonly gates: FeatureGates;
  /** Takes log lines in place of the configured outputs. */
  readonly writeLog?: (line: string) => void;
  readonly clock?: Clock;
}
