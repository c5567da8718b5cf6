// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import {
  AuthenticationError,
  type IncomingHeaders,
  type ServerAuthenticator,
} from '../../component/authenticator.ts';
import type { Extension } from '../../component/component.ts';
import { RetryableError } from '../../consumer/consumer.ts';
import { parseHostPort } from '../../internal/endpoint.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { otlpReceiverSchema } from './config.ts';
import { EXPORT } from './grpc-server.ts';
import { OtlpReceiver } from './receiver.ts';

const PATH = '/v1development/profiles';

/** A receiver with an authenticator that does as the test says. */
async function guarded(t: TestContext, authenticate: ServerAuthenticator['authenticate'], http: object = {}) {
  const settings = testSettings('otlp');
  const auth = { authenticator: 'guard' };
  const config = otlpReceiverSchema.parse({
    protocols: {
      grpc: { endpoint: 'localhost:0', auth },
      http: { endpoint: 'localhost:0', auth: { ...auth, ...http } },
    },
  });
  const receiver = new OtlpReceiver(settings, config, new RecordingConsumer());
  const guard: Extension = {
    start: async () => undefined,
    shutdown: async () => undefined,
    serverAuthenticator: { challenge: 'Test', authenticate },
  };
  await receiver.start(testHost({ guard }), never());
  t.after(() => receiver.shutdown(AbortSignal.abort()));
  const [grpc = '', web = ''] = settings.logger.entries.map(({ fields }) => String(fields['endpoint']));
  const refused = (transport: string, reason: string): number =>
    settings.meter.value('receiver_refused_requests', { transport, reason });
  return { grpc, http: web, settings, refused };
}

/** The answer to a call of which only the headers are sent. */
async function callWithoutBody(t: TestContext, endpoint: string): Promise<IncomingHttpHeaders> {
  const session = connectHttp2(`http://${endpoint}`);
  t.after(() => session.destroy());
  const stream = session.request(
    { ':method': 'POST', ':path': EXPORT, 'content-type': 'application/grpc', te: 'trailers' },
    { endStream: false },
  );
  stream.on('error', () => undefined);
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  return headers;
}

/** The head of the answer to a request whose body never comes. */
async function postWithoutBody(t: TestContext, endpoint: string, path = PATH): Promise<string> {
  const socket = connect(parseHostPort(endpoint));
  t.after(() => socket.destroy());
  const head = `POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n`;
  socket.write(head);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer.toString();
}

describe('an authenticator of the OTLP receiver', () => {
  it('refuses before anything of the body has come', async (t) => {
    const { grpc, http, refused } = await guarded(t, async () => {
      throw new AuthenticationError('who are you');
    });
    const call = await callWithoutBody(t, grpc);
    assert.deepEqual([call['grpc-status'], call['grpc-message']], ['16', 'who are you']);
    const answer = await postWithoutBody(t, http);
    assert.match(answer, /^HTTP\/1\.1 401 [\s\S]*www-authenticate: Test\r\n/i);
    assert.deepEqual([refused('grpc', 'unauthenticated'), refused('http', 'unauthenticated')], [1, 1]);
  });

  it('may have no time: clients come again', async (t) => {
    const { grpc, http, refused } = await guarded(t, async () => {
      throw new RetryableError('busy', { retryAfterMs: 2_000 });
    });
    const call = await callWithoutBody(t, grpc);
    assert.equal(call['grpc-status'], '8');
    assert.ok(call['grpc-status-details-bin'] !== undefined, 'RetryInfo');
    assert.match(await postWithoutBody(t, http), /^HTTP\/1\.1 429 [\s\S]*retry-after: 2\r\n/i);
    assert.deepEqual([refused('grpc', 'busy'), refused('http', 'busy')], [1, 1]);
  });

  it('that fails lets nobody in and tells clients nothing', async (t) => {
    const { grpc, http, settings } = await guarded(t, async () => {
      throw new Error('inner detail');
    });
    assert.equal((await callWithoutBody(t, grpc))['grpc-status'], '2');
    const answer = await postWithoutBody(t, http);
    assert.match(answer, /^HTTP\/1\.1 500 /);
    assert.ok(!answer.includes('inner detail'));
    assert.equal(settings.logger.messages('error').length, 2);
  });

  it('sees the headers, and parameters of the query that are listed', async (t) => {
    const seen: IncomingHeaders[] = [];
    const authenticate = async (headers: IncomingHeaders): Promise<void> => {
      seen.push(headers);
      throw new AuthenticationError('no');
    };
    const { http } = await guarded(t, authenticate, { request_params: ['Api-Key'] });
    await postWithoutBody(t, http, `${PATH}?Api-Key=abc&other=x`);
    assert.deepEqual([seen[0]?.['api-key'], seen[0]?.['other'], seen[0]?.['host']], ['abc', undefined, 'a']);
  });

  it('must be there when the receiver starts', async () => {
    const http = { endpoint: 'localhost:0', auth: { authenticator: 'guard' } };
    const config = otlpReceiverSchema.parse({ protocols: { http } });
    const receiver = new OtlpReceiver(testSettings('otlp'), config, new RecordingConsumer());
    await assert.rejects(receiver.start(testHost(), never()), /failed to resolve authenticator "guard"/);
  });
});
