// SPDX-License-Identifier: Apache-2.0
import { clientAuthenticator } from '../../component/authenticator.ts';
import type { Exporter, Settings } from '../../component/component.ts';
import type { Clock } from '../../internal/clock.ts';
import { createOtlpExporter } from '../helper/otlp-requests.ts';
import { partialSuccess } from '../helper/otlp-response.ts';
import type { Config } from './config.ts';
import { openProfilesClient } from './grpc-client.ts';

/** Sends profiles over OTLP/gRPC. */
export function createOtlpGrpcExporter(
  settings: Settings,
  config: Config,
  options: { clock?: Clock } = {},
): Exporter {
  return createOtlpExporter(settings, {
    requests: config,
    endpoint: config.endpoint,
    queue: config.sending_queue,
    retry: config.retry_on_failure,
    timeout: config.timeout,
    auth: config.auth,
    ...options,
    async open(onReady, host) {
      const auth = clientAuthenticator(host, config.auth);
      const client = await openProfilesClient(config, settings, onReady, auth, options.clock);
      return {
        send: async (request, signal) => partialSuccess(await client.export(request, signal)),
        close: async () => client.close(),
      };
    },
  });
}
