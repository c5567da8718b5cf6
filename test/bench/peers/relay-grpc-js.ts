// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from 'node:util';
import {
  Client,
  compressionAlgorithms,
  credentials,
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { type ExportRequest, loadStaticCodec } from './otlp-static.ts';

/**
 * The relay as most would write it in Node: grpc-js and protobufjs with code made by pbjs. Listens on a
 * free port, prints it, runs until stdin closes.
 */
const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    to: { type: 'string', default: '' },
    gzip: { type: 'boolean', default: false },
    key: { type: 'string', default: '' },
    value: { type: 'string', default: '' },
  },
});
const codec = await loadStaticCodec();
const asIs = (bytes: Buffer): Buffer => bytes;
const encode = (message: ExportRequest): Buffer => Buffer.from(codec.encode(message).finish());
const decode = (bytes: Buffer): ExportRequest => codec.decode(bytes);
const path = '/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export';
const service = {
  export: {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: encode,
    requestDeserialize: decode,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  },
} as const satisfies ServiceDefinition;

const unlimited = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
const client = new Client(values.to, credentials.createInsecure(), {
  ...unlimited,
  ...(values.gzip ? { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip } : {}),
});
const server = new Server(unlimited);
server.addService(service, {
  export(call: ServerUnaryCall<ExportRequest, Buffer>, reply: sendUnaryData<Buffer>): void {
    for (const { resource } of call.request.resourceProfiles) {
      resource.attributes.push({ key: values.key, value: { stringValue: values.value } });
    }
    client.makeUnaryRequest(path, encode, asIs, call.request, (error, answer) => reply(error, answer));
  },
});
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`${port}\n`);
});
process.stdin.resume().once('end', () => {
  server.forceShutdown();
  client.close();
});
