// SPDX-License-Identifier: Apache-2.0
import { clientAuthenticator } from '../../component/authenticator.ts';
import type { Exporter, Host, Settings } from '../../component/component.ts';
import { rememberedSeries } from '../../codecs/pyroscope/series.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { proxyFor } from '../../http-client/proxy-config.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { warnOfPlaintext } from '../helper/client-auth.ts';
import { createDeliveringExporter } from '../helper/exporter-helper.ts';
import type { HelpedExporter } from '../helper/helper-options.ts';
import { RecoveryGate } from '../helper/recovery-gate.ts';
import { StopLimit } from '../helper/stop-limit.ts';
import { type Config, endpointOf, timeoutOf } from './config.ts';
import { SeriesDelivery } from './delivery.ts';
import { SeriesWriter } from './series-writer.ts';
import { httpClientOf, openWriteClient } from './write-client.ts';
import { WriteMetrics } from './write-metrics.ts';

/** Sends profiles to Pyroscope as gzipped pprof, one series for each resource and kind of profile. */
export function createPyroscopeExporter(
  settings: Settings,
  config: Config,
  options: { clock?: Clock } = {},
): Exporter {
  const clock = options.clock ?? systemClock;
  const endpoint = new URL(endpointOf(config));
  const metrics = new WriteMetrics(settings.meter, shown(endpoint), config.protocol);
  const proxy = proxyFor(httpClientOf(config), endpoint);
  const gate = new RecoveryGate(proxy ?? endpoint.href, clock, () => helped.retryNow());
  const stopLimit = new StopLimit(clock);
  const writer = new SeriesWriter(settings, config, {
    clock,
    metrics,
    gate,
    succeeded: () => stopLimit.succeeded(),
  });
  const helped: HelpedExporter = createDeliveringExporter(
    settings,
    {
      queue: config.sending_queue,
      retry: config.retry_on_failure,
      timeout: timeoutOf(config),
      auth: config.auth,
      start: async (host: Host) => {
        const auth = clientAuthenticator(host, config.auth);
        warnOfPlaintext(auth, endpoint.protocol === 'http:', endpoint.hostname, settings.logger);
        writer.open(await openWriteClient(config, settings, clock, auth));
      },
      shutdown: async () => {
        gate.stop();
        await writer.close();
      },
      stopLimit,
      clock,
    },
    (batch) => new SeriesDelivery(writer, batch, metrics, clock),
  );
  return {
    start: (host, signal) => helped.start(host, signal),
    shutdown: (deadline) => helped.shutdown(deadline),
    async consumeProfiles(batch, signal) {
      const startMs = clock.elapsed();
      let taken = 0;
      try {
        await helped.consumeProfiles(batch, signal);
        taken = filesOf(batch);
      } finally {
        metrics.handedOver(taken, clock.elapsed() - startMs);
      }
    },
  };
}

/** Without user, password and query. */
const shown = ({ origin, pathname }: URL): string => `${origin}${pathname.replace(/\/$/, '')}`;

/** The pprof files that came, or the profiles that stand for what may become files. */
function filesOf(batch: ProfilesBatch): number {
  const came = rememberedSeries(batch)?.reduce((sum, { profiles }) => sum + profiles.length, 0);
  return came ?? batch.profileCount;
}
