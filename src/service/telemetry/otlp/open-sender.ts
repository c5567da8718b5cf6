// SPDX-License-Identifier: Apache-2.0
import { RetryableError } from '../../../consumer/consumer.ts';
import type { OwnSender, SenderSettings } from './sender.ts';

/**
 * Sends as the exporter is configured to. Connects with the first request: what cannot be reached, or whose
 * certificates cannot be read, fails requests and nothing else. Nothing of a transport is in memory before.
 */
export function openSender(settings: SenderSettings): OwnSender {
  let opening: Promise<OwnSender> | undefined;
  const open = async (): Promise<OwnSender> => {
    if (settings.config.protocol === 'grpc')
      return (await import('./grpc-sender.ts')).openGrpcSender(settings);
    return (await import('./http-sender.ts')).openHttpSender(settings);
  };
  return {
    async send(request, signal) {
      opening ??= open().catch((cause: unknown) => {
        opening = undefined;
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new RetryableError(why, { cause });
      });
      return (await opening).send(request, signal);
    },
    async close() {
      const opened = opening;
      opening = undefined;
      // What could not be opened needs no closing.
      await (await opened?.catch(() => undefined))?.close();
    },
  };
}
