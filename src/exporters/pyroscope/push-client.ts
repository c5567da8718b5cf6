// SPDX-License-Identifier: Apache-2.0
import type { ClientAuthenticator } from '../../component/authenticator.ts';
import type { Settings } from '../../component/component.ts';
import type { Secret } from '../../config/sections/secret.ts';
import { RetryableError } from '../../consumer/consumer.ts';
import { httpProxyFor } from '../../internal/http-proxy.ts';
import { SecretFile, type Warn } from '../../internal/secret-file.ts';
import { TransportError } from '../helper/delivery.ts';
import { answerError, isSuccess, openHttpClient, userAgent } from '../helper/http-client.ts';
import type { Config } from './config.ts';

/** Pushes encoded requests. */
export interface PushClient {
  /** Rejects with PermanentError or RetryableError. */
  push(request: Uint8Array, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Rejects where certificates cannot be read. */
export async function openPushClient(
  config: Config,
  { build, logger }: Settings,
  now: () => number,
  auth?: ClientAuthenticator,
): Promise<PushClient> {
  const url = new URL(config.endpoint);
  const path = `${url.pathname.replace(/\/$/, '')}/push.v1.PusherService/Push`;
  const authorization = authorizationOf(config, (message, fields) => logger.warn(message, fields));
  const client = await openHttpClient({
    url,
    tls: config.tls,
    logger,
    auth,
    proxyUrl: config.proxy_url ?? httpProxyFor(url, process.env),
    maxConnections: config.sending_queue.num_consumers,
  });
  return {
    async push(request, signal) {
      const headers = {
        'content-type': 'application/proto',
        'user-agent': userAgent(build),
        'connect-protocol-version': '1',
        ...(await authorization()),
        ...(config.tenant_id !== undefined && { 'x-scope-orgid': config.tenant_id }),
        ...Object.fromEntries(
          Object.entries(config.headers).map(([name, value]) => [name.toLowerCase(), value.reveal()]),
        ),
      };
      const answer = await client.post(path, headers, request, signal);
      if (!isSuccess(answer)) throw answerError(answer, connectMessage(answer.body.toString()), now());
    },
    close: () => client.close(),
  };
}

/** What a request proves itself with, read when it is sent. */
function authorizationOf(config: Config, warn: Warn): () => Promise<Record<string, string>> {
  const { basic_auth: basic, bearer_token, bearer_token_file, authorization } = config;
  if (basic !== undefined) {
    const password = secretText(basic.password, basic.password_file, warn);
    return async () => {
      const pair = Buffer.from(`${basic.username}:${await password()}`);
      return { authorization: `Basic ${pair.toString('base64')}` };
    };
  }
  if (authorization !== undefined) {
    const credentials = secretText(authorization.credentials, authorization.credentials_file, warn);
    return async () => ({ authorization: `${authorization.type} ${await credentials()}` });
  }
  if (bearer_token === undefined && bearer_token_file === undefined) return async () => ({});
  const token = secretText(bearer_token, bearer_token_file, warn);
  return async () => ({ authorization: `Bearer ${await token()}` });
}

/** The text, or what is in the file now. */
function secretText(text: Secret | undefined, path: string | undefined, warn: Warn): () => Promise<string> {
  if (text !== undefined || path === undefined) return async () => text?.reveal() ?? '';
  const file = new SecretFile(path, (found) => found.trim(), warn);
  return async () => {
    try {
      return await file.read();
    } catch (cause) {
      const message = `cannot read credentials from "${path}"`;
      throw new RetryableError(message, { cause: new TransportError('Unauthenticated', message, { cause }) });
    }
  };
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
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}
