// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync, deflateSync } from 'node:zlib';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { encodeOtlp } from '../../codecs/otlp/encode.ts';
import { encodeOtlpJson } from '../../codecs/otlp/json.ts';
import { PermanentError, RetryableError } from '../../consumer/consumer.ts';
import { deferred } from '../../internal/deferred.ts';
import { packageRoot } from '../../internal/package-root.ts';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never, testHost, testSettings, type TestSettings } from '../../internal/testing/settings.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { otlpReceiverSchema } from './config.ts';
import { otlpReceiverFactory } from './factory.ts';
import { EXPORT } from './grpc-server.ts';
import { Intake } from './intake.ts';
import { OtlpReceiver } from './receiver.ts';
import { asIs, plain, post, PROTOBUF, running } from './testing/running-receiver.ts';

const FOLDED = 'main;idle 1\nmain;work 2';
const batch = batchFromFolded(FOLDED);
const request = Buffer.from(encodeOtlp(batch, { revision: '1.10' }));
testComponentContract(otlpReceiverFactory, {
  protocols: { grpc: { endpoint: 'localhost:0' }, http: { endpoint: 'localhost:0' } },
});

describe('configuration of the OTLP receiver', () => {
  it('turns a protocol without a value on with defaults', () => {
    const { protocols } = otlpReceiverSchema.parse({ protocols: { grpc: null, http: null } });
    assert.equal(protocols.grpc?.endpoint, 'localhost:4317');
    assert.equal(protocols.http?.endpoint, 'localhost:4318');
    assert.equal(otlpReceiverSchema.parse({ protocols: { http: null } }).protocols.grpc, undefined);
  });

  it('needs a protocol', () => {
    for (const config of [null, {}, { protocols: null }, { protocols: {} }]) {
      assert.throws(
        () => otlpReceiverSchema.parse(config),
        /must specify at least one protocol when using the OTLP receiver/,
      );
    }
  });

  it('refuses unknown keys', () => {
    assert.throws(() => otlpReceiverSchema.parse({ protocols: { grpc: { endpont: 'x' } } }), /endpont/);
  });
});

describe('OTLP over gRPC', () => {
  it('serves the method that profiles_service.proto defines', () => {
    const definition = loadSync(
      'opentelemetry/proto/collector/profiles/v1development/profiles_service.proto',
      {
        includeDirs: [join(packageRoot(), 'proto')],
      },
    );
    const service = definition['opentelemetry.proto.collector.profiles.v1development.ProfilesService'];
    assert.ok(service !== undefined && 'Export' in service);
    assert.equal((service['Export'] as { path: string }).path, EXPORT);
  });

  it('answers success when the pipeline took the batch, and not before', async (t) => {
    const { next, send, settings } = await running(t);
    const gate = deferred();
    const offered = deferred();
    next.answerWith(() => {
      offered.resolve();
      return gate.promise;
    });
    let answered = false;
    const reply = send(request).finally(() => (answered = true));
    await offered.promise;
    assert.equal(answered, false);
    gate.resolve();
    assert.equal((await reply).length, 0);
    assert.equal(next.folded, FOLDED);
    assert.equal(settings.meter.value('receiver_otlp_requests', { transport: 'grpc', revision: '1.10' }), 1);
  });

  it('takes requests of 1.9', async (t) => {
    const { next, send, settings } = await running(t);
    await send(Buffer.from(encodeOtlp(batch, { revision: '1.9' })));
    assert.equal(next.folded, FOLDED);
    assert.equal(settings.meter.value('receiver_otlp_requests', { revision: '1.9' }), 1);
  });

  it('answers an empty request with success and passes nothing on', async (t) => {
    const { next, send } = await running(t);
    await send(Buffer.alloc(0));
    assert.equal(next.offered.length, 0);
  });

  it('refuses malformed bytes with INVALID_ARGUMENT and the place', async (t) => {
    const { next, send, settings } = await running(t);
    await assert.rejects(send(request.subarray(0, 50)), (error: ServiceError) => {
      assert.equal(error.code, 3);
      assert.match(error.details, /invalid OTLP profiles at byte \d+: length \d+ runs past the end/);
      return true;
    });
    assert.equal(next.offered.length, 0);
    assert.equal(
      settings.meter.value('receiver_refused_requests', { transport: 'grpc', reason: 'malformed' }),
      1,
    );
    await send(request);
  });

  it('tells permanent from passing errors of the pipeline', async (t) => {
    const { next, send, settings } = await running(t);
    const cases = [
      [new PermanentError('no'), 13, undefined],
      [new Error('odd'), 14, undefined],
      [new RetryableError('later', { retryAfterMs: 1_500 }), 14, { seconds: 1, nanos: 500_000_000 }],
      [
        new Error('wrapped', { cause: new RetryableError('later', { retryAfterMs: 2_000 }) }),
        14,
        { seconds: 2 },
      ],
    ] as const;
    for (const [failure, code, delay] of cases) {
      next.failWith(failure);
      await assert.rejects(send(request), (error: ServiceError) => {
        assert.equal(error.code, code);
        assert.equal(error.details, failure.message);
        const [details] = error.metadata.get('grpc-status-details-bin');
        assert.equal(details !== undefined, delay !== undefined);
        if (details === undefined) return true;
        const sent = plain('Status', Buffer.from(details)) as {
          code: number;
          details: { value: Uint8Array }[];
        };
        assert.equal(sent.code, 14);
        assert.deepEqual(plain('RetryInfo', sent.details[0]?.value ?? Buffer.alloc(0)), {
          retryDelay: delay,
        });
        return true;
      });
    }
    // The pipeline counts what it refuses itself.
    assert.equal(settings.meter.value('receiver_refused_requests'), 0);
  });

  it('refuses messages beyond the limit, compressed or not, and counts them', async (t) => {
    const { send, settings } = await running(t, { grpc: { max_recv_msg_size_mib: 1 } });
    await assert.rejects(send(Buffer.alloc(1024 * 1024 + 1)), { code: 8 });
    const gzip = gzipClient(t, settings);
    await assert.rejects(gzip(Buffer.alloc(8 * 1024 * 1024)), { code: 8 });
    assert.equal(
      settings.meter.value('receiver_refused_requests', { transport: 'grpc', reason: 'too_large' }),
      2,
    );
  });

  it('takes gzip', async (t) => {
    const { next, settings } = await running(t);
    await gzipClient(t, settings)(request);
    assert.equal(next.folded, FOLDED);
  });

  it('aborts the pipeline when the client gives up', async (t) => {
    const { next, settings } = await running(t);
    const aborted = deferred();
    next.answerWith(async (_batch, signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      aborted.resolve();
    });
    const [grpc] = settings.logger.entries;
    const client = new Client(String(grpc?.fields['endpoint']), credentials.createInsecure());
    const call = client.makeUnaryRequest(EXPORT, asIs, asIs, request, () => undefined);
    while (next.offered.length === 0) await new Promise(setImmediate);
    call.cancel();
    await aborted.promise;
    client.close();
  });

  it('finishes running requests at shutdown and takes no new ones', async (t) => {
    const { next, receiver, send } = await running(t);
    const gate = deferred();
    const offered = deferred();
    next.answerWith(() => {
      offered.resolve();
      return gate.promise;
    });
    const first = send(request);
    await offered.promise;
    const down = receiver.shutdown(never());
    gate.resolve();
    await first;
    await down;
    assert.equal(next.batches.length, 1);
    await assert.rejects(send(request), { code: 14 });
  });

  it('cuts requests that outlive the deadline', async (t) => {
    const { next, receiver, send } = await running(t);
    const offered = deferred();
    next.answerWith(async (_batch, signal) => {
      offered.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    });
    const reply = assert.rejects(send(request));
    await offered.promise;
    await receiver.shutdown(AbortSignal.abort(new Error('deadline')));
    await reply;
  });
});

/** A client of the running gRPC server that compresses. */
function gzipClient(t: TestContext, settings: TestSettings): (body: Buffer) => Promise<void> {
  const endpoint = String(settings.logger.entries[0]?.fields['endpoint']);
  const client = new Client(endpoint, credentials.createInsecure(), {
    'grpc.default_compression_algorithm': 2,
  });
  t.after(() => client.close());
  return (body) =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(EXPORT, asIs, asIs, body, (error) =>
        error === null ? resolve() : reject(error),
      );
    });
}

describe('OTLP over HTTP', () => {
  it('takes protobuf and JSON and replies in kind', async (t) => {
    const { next, url, settings } = await running(t);
    const protobufReply = await post(url, request, { 'content-type': `${PROTOBUF}; charset=utf-8` });
    assert.equal(protobufReply.status, 200);
    assert.equal(protobufReply.headers.get('content-type'), PROTOBUF);
    assert.equal((await protobufReply.arrayBuffer()).byteLength, 0);
    const jsonReply = await post(url, encodeOtlpJson(batch), { 'content-type': 'application/json' });
    assert.equal(jsonReply.headers.get('content-type'), 'application/json');
    assert.deepEqual(await jsonReply.json(), {});
    assert.deepEqual(next.batches.length, 2);
    assert.equal(
      next.folded,
      FOLDED.split('\n')
        .flatMap((line) => [line, line])
        .join('\n'),
    );
    assert.equal(settings.meter.value('receiver_otlp_requests', { transport: 'http', revision: 'json' }), 1);
  });

  it('takes gzip and deflate', async (t) => {
    const { next, url } = await running(t);
    assert.equal((await post(url, gzipSync(request), { 'content-encoding': 'gzip' })).status, 200);
    assert.equal((await post(url, deflateSync(request), { 'content-encoding': 'deflate' })).status, 200);
    assert.equal(next.batches.length, 2);
  });

  it('refuses what it cannot read, with a google.rpc.Status in the type of the request', async (t) => {
    const { next, url, settings } = await running(t, { http: { max_request_body_size: 2_000 } });
    const json = { 'content-type': 'application/json' };
    const cases: readonly (readonly [Promise<Response>, number, number, RegExp, string])[] = [
      [post(url, request.subarray(0, 50)), 400, 3, /at byte \d+/, 'malformed'],
      [post(url, '{"dictionary":7}', json), 400, 3, /dictionary: want an object/, 'malformed'],
      [post(url, Buffer.from([0x22, 0xff, 0x22]), json), 400, 3, /body is not UTF-8/, 'malformed'],
      [
        post(url, request, { 'content-encoding': 'gzip' }),
        400,
        3,
        /request body: not valid gzip/,
        'malformed',
      ],
      [
        post(url, request, { 'content-encoding': 'br' }),
        415,
        3,
        /content encoding "br" is not supported; use one of/,
        'unsupported',
      ],
      [
        post(url, request, { 'content-type': 'text/plain' }),
        415,
        3,
        /content type "text\/plain" is not supported/,
        'unsupported',
      ],
      [post(url, Buffer.alloc(2_001)), 413, 8, /larger than 2000 bytes/, 'too_large'],
      [
        post(url, gzipSync(Buffer.alloc(50_000)), { 'content-encoding': 'gzip' }),
        413,
        8,
        /larger than 2000 bytes/,
        'too_large',
      ],
      [fetch(url), 405, 12, /method GET is not allowed; use POST/, 'unsupported'],
      [post(url.replace('profiles', 'traces'), request), 404, 12, /profiles are received at/, 'unsupported'],
    ];
    for (const [reply, httpStatus, code, message] of cases) {
      const response = await reply;
      const body = Buffer.from(await response.arrayBuffer());
      const isJson = response.headers.get('content-type') === 'application/json';
      const sent = isJson ? (JSON.parse(body.toString()) as Record<string, unknown>) : plain('Status', body);
      assert.equal(response.status, httpStatus);
      assert.equal(sent['code'], code);
      assert.match(String(sent['message']), message);
    }
    for (const reason of ['malformed', 'too_large', 'unsupported']) {
      const expected = cases.filter((c) => c[4] === reason).length;
      assert.equal(
        settings.meter.value('receiver_refused_requests', { transport: 'http', reason }),
        expected,
      );
    }
    assert.equal(next.offered.length, 0);
    assert.equal((await fetch(url)).headers.get('allow'), 'POST');
  });

  it('maps errors of the pipeline and says when to come again', async (t) => {
    const { next, url } = await running(t);
    next.failWith(new PermanentError('no'));
    assert.equal((await post(url, request)).status, 500);
    next.failWith(new RetryableError('later', { retryAfterMs: 1_200 }));
    const later = await post(url, encodeOtlpJson(batch), { 'content-type': 'application/json' });
    assert.equal(later.status, 503);
    assert.equal(later.headers.get('retry-after'), '2');
    assert.match(await later.text(), /"retryDelay":"1.2s"/);
  });

  it('sends the response headers that are configured', async (t) => {
    const { url } = await running(t, {
      http: { response_headers: { 'x-room': 'north' }, keep_alives_enabled: false },
    });
    const reply = await post(url, request);
    assert.equal(reply.headers.get('x-room'), 'north');
    assert.equal(reply.headers.get('connection'), 'close');
  });
});

describe('requests in flight', () => {
  it('are as many bytes as the configuration says', async (t) => {
    const { next, send, settings } = await running(t, {}, { max_in_flight_mib: 1 });
    const gate = deferred();
    const offered = deferred();
    next.answerWith(() => {
      offered.resolve();
      return gate.promise;
    });
    const first = send(request);
    await offered.promise;
    await assert.rejects(send(Buffer.alloc(1024 * 1024)), { code: 8 });
    assert.equal(settings.meter.value('receiver_refused_requests', { transport: 'grpc', reason: 'busy' }), 1);
    gate.resolve();
    await first;
  });

  it('are bounded in bytes; beyond, clients are told to come again', async () => {
    const settings = testSettings('otlp');
    const gate = deferred();
    const next = new RecordingConsumer(() => gate.promise);
    const intake = new Intake(settings, next, 100);
    const decode = () => ({ batch, revision: '1.10' });
    const first = intake.accept('grpc', 200, decode, never());
    await assert.rejects(intake.accept('http', 1, decode, never()), { code: 8, retryAfterMs: 1_000 });
    assert.equal(settings.meter.value('receiver_refused_requests', { transport: 'http', reason: 'busy' }), 1);
    gate.resolve();
    await first;
    await intake.accept('http', 1, decode, never());
  });
});

describe('a decoder that fails unexpectedly', () => {
  it('is logged and refused for good, not asked for again and again', async () => {
    const settings = testSettings('otlp');
    const intake = new Intake(settings, new RecordingConsumer(), 100);
    const decode = () => {
      throw new TypeError('bug');
    };
    await assert.rejects(intake.accept('http', 1, decode, never()), { code: 13, message: 'decoding failed' });
    assert.deepEqual(settings.logger.messages('error'), ['decoding failed unexpectedly']);
    assert.equal(settings.meter.value('receiver_refused_requests', { reason: 'malformed' }), 1);
  });
});

describe('start of the OTLP receiver', () => {
  it('frees what it bound when a later endpoint is taken', async (t) => {
    const { settings } = await running(t);
    const taken = String(settings.logger.entries[1]?.fields['endpoint']);
    const config = otlpReceiverSchema.parse({
      protocols: { grpc: { endpoint: 'localhost:0' }, http: { endpoint: taken } },
    });
    const receiver = new OtlpReceiver(testSettings('otlp'), config, new RecordingConsumer());
    await assert.rejects(
      receiver.start(testHost(), never()),
      /listen on "localhost:\d+": address already in use/,
    );
  });

  it('warns when other hosts can reach it without TLS', async () => {
    const settings = testSettings('otlp');
    const config = otlpReceiverSchema.parse({ protocols: { grpc: { endpoint: ':0' } } });
    const receiver = new OtlpReceiver(settings, config, new RecordingConsumer());
    await receiver.start(testHost(), never());
    await receiver.shutdown(never());
    assert.match(settings.logger.messages('warn').join(), /without TLS/);
  });
});
