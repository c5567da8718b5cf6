// SPDX-License-Identifier: Apache-2.0
import type { TestContext } from 'node:test';
import { defaultFeatureGates } from '../../src/component/feature-gates.ts';
import { loadConfig } from '../../src/config/load.ts';
import { distribution } from '../../src/distribution.ts';
import { type Clock, systemClock } from '../../src/internal/clock.ts';
import { never, TEST_BUILD } from '../../src/internal/testing/settings.ts';
import { createService, type Service } from '../../src/service/service.ts';

/** How long a service may take to stop: by its own limits, which its clock knows, and altogether. */
interface StopTime {
  readonly clock: Clock;
  readonly limitMs: number;
}

const USUAL: StopTime = { clock: systemClock, limitMs: 5_000 };
/** For what profiles a whole host, which on a busy one takes longer than a receiver may. */
export const PATIENT: StopTime = {
  clock: { ...systemClock, setTimeout: (run, delayMs) => systemClock.setTimeout(run, delayMs * 10) },
  limitMs: 60_000,
};

/** A collector of this distribution in this process. */
export interface RunningService {
  readonly service: Service;
  /** Everything that it logged. */
  readonly log: readonly string[];
  /** Where its OTLP servers listen, in the order in which they were started: gRPC before HTTP. */
  readonly endpoints: readonly string[];
}

/** Starts a configuration that is written as YAML. Its log is JSON, and it has no metrics unless `withMetrics`. */
export async function runningService(
  t: Pick<TestContext, 'after'>,
  yaml: string,
  withMetrics = false,
  { clock, limitMs }: StopTime = USUAL,
): Promise<RunningService> {
  const gates = defaultFeatureGates();
  const level = withMetrics ? 'normal' : 'none';
  const telemetry = `service: {telemetry: {logs: {encoding: json}, metrics: {level: ${level}}}}`;
  const sources = [yaml, telemetry].map((text, index) => ({ location: `yaml:${text}`, label: `${index}` }));
  const config = await loadConfig(sources, { distribution, gates });
  const log: string[] = [];
  const deps = { build: TEST_BUILD, gates, clock, writeLog: (line: string) => log.push(line) };
  const service = createService(config, deps);
  await service.start(never());
  t.after(() => service.shutdown(AbortSignal.timeout(limitMs)));
  const endpoints = log
    .map((line) => JSON.parse(line) as { msg: string; endpoint?: string })
    .filter(({ msg }) => msg === 'OTLP server listens')
    .map(({ endpoint = '' }) => endpoint);
  return { service, log, endpoints };
}
