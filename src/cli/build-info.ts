// SPDX-License-Identifier: Apache-2.0
import type { BuildInfo } from '../component/component.ts';

/** This distribution; the version is that of package.json. */
export const BUILD: BuildInfo = {
  command: 'otelcol-profiles',
  description: 'OpenTelemetry Collector for profiles',
  version: '0.1.0',
};
