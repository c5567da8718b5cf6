// SPDX-License-Identifier: Apache-2.0
import { trace } from '@opentelemetry/api';
import type { BuildInfo, Component, Host, Settings, StatusEvent } from '../../component/component.ts';
import { parseComponentId } from '../../component/id.ts';
import type { ServiceView } from '../../component/service-view.ts';
import { RecordingLogger, RecordingMeter } from './recording-telemetry.ts';

export const TEST_BUILD: BuildInfo = {
  command: 'otelcol-profiles',
  description: 'test build',
  version: '0.0.0-test',
};

/** Settings whose logs and metrics a test can read. */
export interface TestSettings extends Settings {
  readonly logger: RecordingLogger;
  readonly meter: RecordingMeter;
}

export function testSettings(id = 'test'): TestSettings {
  return {
    id: parseComponentId(id),
    build: TEST_BUILD,
    logger: new RecordingLogger(),
    meter: new RecordingMeter(),
    tracer: trace.getTracer('test'),
  };
}

/** A host that keeps the status events it was told. */
export interface TestHost extends Host {
  readonly events: StatusEvent[];
}

export function testHost(
  extensions: Readonly<Record<string, Component>> = {},
  service: Partial<ServiceView> = {},
): TestHost {
  const events: StatusEvent[] = [];
  return {
    extensions: new Map(Object.entries(extensions)),
    events,
    service: {
      build: TEST_BUILD,
      startedAtMs: 0,
      pipelines: [],
      gates: () => [],
      config: () => ({}),
      statuses: () => [],
      ...service,
    },
    reportStatus: (event) => void events.push(event),
  };
}

/** A signal that never aborts. */
export function never(): AbortSignal {
  return new AbortController().signal;
}
