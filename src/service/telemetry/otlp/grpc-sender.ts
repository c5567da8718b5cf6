// SPDX-License-Identifier: Apache-2.0
import { grpcAuthority } from '../../../config/sections/endpoint.ts';
import { openClientTls } from '../../../config/sections/tls-source.ts';
import { PermanentError, RetryableError } from '../../../consumer/consumer.ts';
import { authorityOf, openGrpcClient } from '../../../grpc/client.ts';
import type { Target } from '../../../grpc/dial.ts';
import { proxyFor } from '../../../grpc/proxy.ts';
import { Code, GrpcError, RETRYABLE_CODES } from '../../../grpc/status.ts';
import { systemClock } from '../../../internal/clock.ts';
import { parseHostPort } from '../../../internal/endpoint.ts';
import { endpointOf, headersOf, type OwnSender, type SenderSettings, tlsOf } from './sender.ts';

const METHODS = {
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
} as const;

const MAX_RECEIVE_BYTES = 64 * 1024;

/** OTLP over gRPC. Plaintext with http:// in front, or with `insecure` and no scheme. Rejects where certificates cannot be read. */
export async function openGrpcSender(settings: SenderSettings): Promise<OwnSender> {
  const { config, signal: own, logger } = settings;
  const endpoint = endpointOf(config);
  const at = parseHostPort(grpcAuthority(endpoint));
  const target: Target = { kind: 'tcp', at, proxy: proxyFor(at, process.env) };
  const isPlain = endpoint.startsWith('http://') || (config.insecure && !endpoint.startsWith('https://'));
  const client = openGrpcClient({
    target,
    tls: isPlain ? undefined : await openClientTls(tlsOf(config), logger),
    serverName: undefined,
    authority: authorityOf(target),
    headers: headersOf(settings),
    encoding: config.compression === 'gzip' ? 'gzip' : 'identity',
    balancing: 'pick_first',
    keepalive: { timeMs: 0, timeoutMs: 0, permitWithoutCalls: false },
    backoff: { initialMs: 1_000, maxMs: 30_000 },
    waitForReady: false,
    maxReceiveBytes: MAX_RECEIVE_BYTES,
    onReady: () => undefined,
    clock: systemClock,
  });
  return {
    async send(request, signal) {
      try {
        return await client.call(METHODS[own], [request], config.timeout, signal);
      } catch (error) {
        throw outcomeOf(error);
      }
    },
    close: async () => client.close(),
  };
}

function outcomeOf(error: unknown): unknown {
  if (!(error instanceof GrpcError)) return error;
  const { code, retryAfterMs, message } = error;
  const isThrottled = code === Code.resourceExhausted && retryAfterMs !== undefined;
  const told = `gRPC status ${code}: ${message}`;
  if (!RETRYABLE_CODES.has(code) && !isThrottled) return new PermanentError(told, { cause: error });
  return new RetryableError(told, { cause: error, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}
