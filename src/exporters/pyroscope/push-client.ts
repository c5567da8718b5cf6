// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import type { ClientAuthenticator } from '../../component/authenticator.ts';
import type { Settings } from '../../component/component.ts';
import { RetryableError } from '../../consumer/consumer.ts';
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
  const client = await openHttpClient({
    url,
    tls: config.tls,
    logger,
    auth,
    proxyUrl: config.proxy_url,
    maxConnections: config.sending_queue.num_consumers,
  });
  return {
    async push(request, signal) {
      const headers = {
        'content-type': 'application/proto',
        'user-agent': userAgent(build),
        'connect-protocol-version': '1',
        ...(await authHeaders(config)),
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
