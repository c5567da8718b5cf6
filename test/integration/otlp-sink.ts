// SPDX-License-Identifier: Apache-2.0
import { promisify } from 'node:util';
import { Metadata, Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';

/** A request as it came: not compressed, not decoded. */
interface SunkRequest {
  readonly bytes: Buffer;
  readonly metadata: Metadata;
}

/** What the sink answers: an encoded response, or an error. */
export type SinkAnswer = (request: SunkRequest) => Uint8Array | { code: number; details: string };

/** An OTLP profiles server over gRPC in this process. */
export interface OtlpSink {
  readonly port: number;
  readonly requests: readonly SunkRequest[];
  stop(): void;
}

const SERVICE: ServiceDefinition = {
  Export: {
    path: '/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export',
    requestStream: false,
    responseStream: false,
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  },
};

export async function startOtlpSink(
  answer: SinkAnswer = () => new Uint8Array(0),
  credentials: ServerCredentials = ServerCredentials.createInsecure(),
): Promise<OtlpSink> {
  const requests: SunkRequest[] = [];
  const server = new Server();
  server.addService(SERVICE, {
    Export: (
      call: { request: Buffer; metadata: Metadata },
      respond: (error: { code: number; details: string } | null, response?: Buffer) => void,
    ) => {
      const request = { bytes: call.request, metadata: call.metadata };
      requests.push(request);
      const answered = answer(request);
      if (answered instanceof Uint8Array) respond(null, Buffer.from(answered));
      else respond(answered);
    },
  });
  const port = await promisify(server.bindAsync.bind(server))('127.0.0.1:0', credentials);
  return { port, requests, stop: () => server.forceShutdown() };
}
