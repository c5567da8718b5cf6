// SPDX-License-Identifier: Apache-2.0
import type { TestContext } from 'node:test';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import type { Host } from '../../../component/component.ts';
import { RecordingConsumer } from '../../../internal/testing/recording-consumer.ts';
import { never, testHost, testSettings, type TestSettings } from '../../../internal/testing/settings.ts';
import { otlpReceiverSchema } from '../config.ts';
import { EXPORT } from '../grpc-server.ts';
import { OtlpReceiver } from '../receiver.ts';

export const PROTOBUF = 'application/x-protobuf';
/** For bytes that are encoded already. */
export const asIs = (bytes: Buffer): Buffer => bytes;

const status = protobuf.parse(`syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Partial { int64 rejected_profiles = 1; string error_message = 2; }
  message Response { Partial partial_success = 1; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Duration retry_delay = 1; }`).root;

/** A message of `status` as plain data. */
export const plain = (name: string, bytes: Uint8Array): Record<string, unknown> => {
  const type = status.lookupType(name);
  return type.toObject(type.decode(bytes), { longs: Number });
};

/** `body` in a length-delimited field of each tag, the outermost first. */
export function nested(body: Buffer, ...tags: readonly number[]): Buffer {
  return tags.reduceRight((inner, tag) => Buffer.concat([Buffer.of(tag), varint(inner.length), inner]), body);
}

function varint(value: number): Buffer {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  return Buffer.from([...out, rest]);
}

/** A receiver with both protocols, and how to reach it. */
export interface Running {
  readonly receiver: OtlpReceiver;
  readonly settings: TestSettings;
  readonly next: RecordingConsumer;
  /** URL of the profiles path over HTTP. */
  readonly url: string;
  /** Calls Export over gRPC. */
  send(body: Buffer, metadata?: Metadata): Promise<Buffer>;
}

/** A receiver with both protocols on free ports. */
export async function running(
  t: TestContext,
  protocols: { grpc?: object; http?: object } = {},
  more: object = {},
  host: Host = testHost(),
): Promise<Running> {
  const settings = testSettings('otlp');
  const next = new RecordingConsumer();
  const config = otlpReceiverSchema.parse({
    ...more,
    protocols: {
      grpc: { endpoint: 'localhost:0', ...protocols.grpc },
      http: { endpoint: 'localhost:0', ...protocols.http },
    },
  });
  const receiver = new OtlpReceiver(settings, config, next);
  await receiver.start(host, never());
  const [grpc, http] = settings.logger.entries.map((entry) => String(entry.fields['endpoint']));
  const client = new Client(grpc ?? '', credentials.createInsecure());
  t.after(async () => {
    client.close();
    await receiver.shutdown(AbortSignal.timeout(1_000));
  });
  return {
    receiver,
    settings,
    next,
    url: `http://${http}/v1development/profiles`,
    send: (body, metadata = new Metadata()) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(EXPORT, asIs, asIs, body, metadata, (error, reply) => {
          if (error === null) resolve(reply ?? Buffer.alloc(0));
          else reject(error);
        });
      }),
  };
}

/** Posts a body, of protobuf where no header says otherwise. */
export const post = (
  url: string,
  body: Uint8Array | string,
  headers: Record<string, string> = {},
): Promise<Response> =>
  fetch(url, { method: 'POST', body, headers: { 'content-type': PROTOBUF, ...headers } });
