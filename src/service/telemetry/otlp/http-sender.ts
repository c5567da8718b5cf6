// SPDX-License-Identifier: Apache-2.0
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import { type ClientTls, openClientTls } from '../../../config/sections/tls-source.ts';
import { PermanentError, RetryableError } from '../../../consumer/consumer.ts';
import { orAborted } from '../../../internal/abort.ts';
import { httpProxyFor } from '../../../internal/http-proxy.ts';
import { basicCredentials, proxyToken } from '../../../internal/url-credentials.ts';
import {
  endpointOf,
  headersOf,
  type OwnSender,
  type OwnSignal,
  type SenderSettings,
  tlsOf,
} from './sender.ts';

const PATHS: Readonly<Record<OwnSignal, string>> = {
  metrics: '/v1/metrics',
  traces: '/v1/traces',
  logs: '/v1/logs',
};

/** Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/docs/specification.md#failures-1 */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const MAX_ANSWER_BYTES = 64 * 1024;
/** Nobody is kept away for longer. */
const MAX_RETRY_AFTER_MS = 24 * 3600 * 1000;

const compress = promisify(gzip);

/** OTLP over HTTP as protobuf. A path of the endpoint counts as it is, else OTLP's does. Rejects where certificates cannot be read. */
export async function openHttpSender(settings: SenderSettings): Promise<OwnSender> {
  const { config, signal: own, logger } = settings;
  const url = new URL(endpointOf(config));
  const path = (url.pathname === '/' ? PATHS[own] : url.pathname) + url.search;
  const tls = url.protocol === 'https:' ? await openClientTls(tlsOf(config), logger) : undefined;
  // Certificates are read once: own telemetry has no key for reading them again.
  const dispatcher = dispatcherFor(url, await tls?.());
  const authorization = basicCredentials(url);
  const isCompressed = config.compression === 'gzip';
  const headers = {
    ...(authorization !== undefined && { authorization }),
    ...headersOf(settings),
    'content-type': 'application/x-protobuf',
    ...(isCompressed && { 'content-encoding': 'gzip' }),
  };
  return {
    async send(request, signal) {
      const body = isCompressed ? await compress(request) : request;
      return answerOf(dispatcher, { origin: url.origin, path, method: 'POST', headers, body, signal });
    },
    close: () => dispatcher.destroy(),
  };
}

function dispatcherFor(url: URL, connect: ClientTls | undefined): Dispatcher {
  const limits = { connections: 1, headersTimeout: 0, bodyTimeout: 0 };
  const uri = httpProxyFor(url, process.env);
  if (uri === undefined) return new Agent({ ...limits, ...(connect && { connect }) });
  const proxyTunnel = url.protocol === 'https:';
  return new ProxyAgent({
    ...limits,
    uri,
    proxyTunnel,
    ...proxyToken(uri),
    ...(connect && { requestTls: connect }),
  });
}

type SentRequest = Dispatcher.RequestOptions & { readonly signal: AbortSignal };

async function answerOf(dispatcher: Dispatcher, options: SentRequest): Promise<Uint8Array> {
  const { status, retryAfter, body } = await request(dispatcher, options);
  if (status >= 200 && status < 300) return body;
  const told = `server answered ${status}: ${body.toString('utf8', 0, 256).replace(/\p{Cc}/gu, ' ')}`;
  if (!RETRYABLE.has(status)) throw new PermanentError(told);
  const retryAfterMs = retryAfterToMs(retryAfter);
  throw new RetryableError(told, retryAfterMs === undefined ? {} : { retryAfterMs });
}

async function request(dispatcher: Dispatcher, options: SentRequest) {
  try {
    const {
      statusCode: status,
      headers,
      body,
    } = await orAborted(dispatcher.request(options), options.signal);
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) break;
    }
    const retryAfter = headers['retry-after'];
    return { status, retryAfter, body: Buffer.concat(chunks) };
  } catch (cause) {
    if (options.signal.aborted) throw options.signal.reason;
    const why = cause instanceof AggregateError ? cause.errors.map(String).join('; ') : String(cause);
    throw new RetryableError(`no answer from ${String(options.origin)}: ${why}`, { cause });
  }
}

/** Seconds or an HTTP date (RFC 9110 §10.2.3). */
function retryAfterToMs(value: string | string[] | undefined): number | undefined {
  if (typeof value !== 'string') return undefined;
  const waitMs = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(waitMs) ? undefined : Math.min(MAX_RETRY_AFTER_MS, Math.max(0, waitMs));
}
