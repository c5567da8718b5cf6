// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { type Dispatcher, Pool, ProxyAgent } from 'undici';
import type { BuildInfo } from '../../component/component.ts';
import { loadTlsMaterial } from '../../config/sections/tls-material.ts';
import { PermanentError, RetryableError } from '../../consumer/consumer.ts';
import { TransportError } from '../helper/delivery.ts';
import type { Config } from './config.ts';

/** Of an answer, only its beginning is of interest. */
const MAX_ANSWER_BYTES = 64 * 1024;

const RETRYABLE_STATUS: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Pushes encoded requests. */
export interface PushClient {
  /** Rejects with PermanentError or RetryableError. */
  push(request: Uint8Array, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Rejects where certificates cannot be read. */
export async function openPushClient(
  config: Config,
  build: BuildInfo,
  now: () => number,
): Promise<PushClient> {
  const url = new URL(config.endpoint);
  const path = `${url.pathname.replace(/\/$/, '')}/push.v1.PusherService/Push`;
  const dispatcher = await makeDispatcher(config, url);
  const userAgent = `${build.command}/${build.version} (${process.platform}/${process.arch})`;
  return {
    async push(request, signal) {
      const headers = {
        'content-type': 'application/proto',
        'user-agent': userAgent,
        'connect-protocol-version': '1',
        ...(await authHeaders(config)),
        ...(config.tenant_id !== undefined && { 'x-scope-orgid': config.tenant_id }),
        ...Object.fromEntries(
          Object.entries(config.headers).map(([name, value]) => [name.toLowerCase(), value.reveal()]),
        ),
      };
      const options = { origin: url.origin, path, method: 'POST' as const, headers, body: request, signal };
      const { status, retryAfter, text } = await answerOf(dispatcher, options);
      if (status < 200 || status > 299) throw fromAnswer(status, text, retryAfter, now());
    },
    close: () => dispatcher.destroy(),
  };
}

async function makeDispatcher(config: Config, url: URL): Promise<Dispatcher> {
  const { server_name_override: servername, insecure_skip_verify } = config.tls;
  const tls = {
    ...(await loadTlsMaterial(config.tls)),
    rejectUnauthorized: !insecure_skip_verify,
    ...(servername !== undefined && { servername }),
  };
  // The time of an attempt is limited by its signal alone.
  const common = { headersTimeout: 0, bodyTimeout: 0, connections: config.sending_queue.num_consumers };
  if (config.proxy_url === undefined) return new Pool(url.origin, { ...common, connect: tls });
  return new ProxyAgent({ ...common, uri: config.proxy_url, requestTls: tls });
}

async function authHeaders(config: Config): Promise<Record<string, string>> {
  const { basic_auth: basic, bearer_token, bearer_token_file, authorization } = config;
  if (basic !== undefined) {
    const password = await secretText(basic.password?.reveal(), basic.password_file);
    return { authorization: `Basic ${Buffer.from(`${basic.username}:${password}`).toString('base64')}` };
  }
  if (authorization !== undefined) {
    const credentials = await secretText(authorization.credentials?.reveal(), authorization.credentials_file);
    return { authorization: `${authorization.type} ${credentials}` };
  }
  if (bearer_token === undefined && bearer_token_file === undefined) return {};
  return { authorization: `Bearer ${await secretText(bearer_token?.reveal(), bearer_token_file)}` };
}

/** Files are read for each request, so that a rotated secret counts at once. */
async function secretText(text: string | undefined, file: string | undefined): Promise<string> {
  if (text !== undefined || file === undefined) return text ?? '';
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    const message = `cannot read credentials from "${file}"`;
    throw new RetryableError(message, { cause: new TransportError('Unauthenticated', message, { cause }) });
  }
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly text: string;
}

async function answerOf(dispatcher: Dispatcher, options: Dispatcher.RequestOptions): Promise<Answer> {
  try {
    const { statusCode, headers, body } = await dispatcher.request(options);
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of body) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) break;
    }
    const retryAfter = headers['retry-after'];
    return {
      status: statusCode,
      retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
      text: Buffer.concat(chunks).toString(),
    };
  } catch (cause) {
    const reason = cause instanceof AggregateError ? cause.errors.map(String).join('; ') : String(cause);
    const message = `no answer from ${String(options.origin)}: ${reason}`;
    throw new RetryableError(message, { cause: new TransportError('Unavailable', message, { cause }) });
  }
}

function fromAnswer(status: number, text: string, retryAfter: string | undefined, nowMs: number): Error {
  const message = `server answered ${status}: ${connectMessage(text)}`;
  const cause = new TransportError(String(status), message);
  if (!RETRYABLE_STATUS.has(status)) return new PermanentError(message, { cause });
  const retryAfterMs = retryAfterToMs(retryAfter, nowMs);
  return new RetryableError(message, { cause, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}

/** `{"code": "...", "message": "..."}` of the Connect protocol, or the text as it came. */
function connectMessage(text: string): string {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) {
      return `${'code' in parsed ? `${String(parsed.code)}: ` : ''}${String(parsed.message)}`;
    }
    return text;
  } catch (error) {
    if (error instanceof SyntaxError) return text.trim().slice(0, 2048) || 'no message';
    throw error;
  }
}

/** Retry-After as seconds or as an HTTP date (RFC 9110 §10.2.3), from now in milliseconds. */
export function retryAfterToMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const dateMs = Date.parse(value);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}
