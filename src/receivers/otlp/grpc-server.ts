// SPDX-License-Identifier: Apache-2.0
import {
  Metadata,
  type sendUnaryData,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServerOptions,
  type ServerUnaryCall,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { decodeOtlpDetailed } from '../../codecs/otlp/decode.ts';
import type { GrpcServerConfig } from '../../config/sections/grpc.ts';
import { loadTlsMaterial, type TlsMaterial } from '../../config/sections/tls-material.ts';
import { formatHostPort, type HostPort, parseHostPort } from '../../internal/endpoint.ts';
import type { Intake } from './intake.ts';
import { encodeStatus, Refusal } from './refusal.ts';

const DEFAULT_MAX_MESSAGE_MIB = 4;
/** grpc-js knows no limit of its own; a stream may hold one message. */
const DEFAULT_MAX_STREAMS = 128;
/** ExportProfilesServiceResponse without partial_success: full success. */
const RESPONSE = Buffer.alloc(0);

const asIs = (bytes: Buffer): Buffer => bytes;

/** ProfilesService of profiles_service.proto with messages left as bytes: they are decoded into columns, not objects. */
export const profilesService = {
  export: {
    path: '/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export',
    originalName: 'Export',
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  },
} as const satisfies ServiceDefinition;

/** A listening OTLP/gRPC server. */
export interface RunningServer {
  readonly endpoint: HostPort;
  /** Takes no new requests, finishes running ones until `deadline` aborts, then cuts them. */
  close(deadline: AbortSignal): Promise<void>;
}

/** Starts to listen; rejects with the endpoint in the message. */
export async function listenGrpc(config: GrpcServerConfig, intake: Intake): Promise<RunningServer> {
  const credentials = await credentialsOf(config);
  const server = new Server({ ...optionsOf(config), interceptors: [countIncomplete(intake)] });
  server.addService(profilesService, {
    export: (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>): void => {
      void answer(call, intake, reply);
    },
  });
  const endpoint = await bind(server, parseHostPort(config.endpoint), credentials);
  let closed: Promise<void> | undefined;
  return {
    endpoint,
    close(deadline) {
      closed ??= shutDown(server, deadline);
      return closed;
    },
  };
}

async function answer(
  call: ServerUnaryCall<Buffer, Buffer>,
  intake: Intake,
  reply: sendUnaryData<Buffer>,
): Promise<void> {
  const gone = new AbortController();
  call.once('cancelled', () => gone.abort(new Error('client cancelled the request')));
  const bytes = call.request;
  try {
    await intake.accept('grpc', bytes.length, () => decodeOtlpDetailed(bytes), gone.signal);
    reply(null, RESPONSE);
  } catch (error) {
    const refusal = Refusal.from(error);
    const metadata = new Metadata();
    if (refusal.retryAfterMs !== undefined) {
      metadata.set('grpc-status-details-bin', Buffer.from(encodeStatus(refusal)));
    }
    reply({ code: refusal.code, details: refusal.message, metadata });
  }
}

/**
 * The library refuses messages that are too large or cannot be decompressed before any handler sees
 * them, and tells nobody. What ends without a message is counted here.
 */
function countIncomplete(intake: Intake): ServerInterceptor {
  return (_method, call) => {
    let received = false;
    return new ServerInterceptingCall(call, {
      start(next) {
        next({
          onReceiveMessage(message, nextMessage) {
            received = true;
            nextMessage(message);
          },
          onCancel() {
            if (!received) intake.count('grpc', 'incomplete');
          },
        });
      },
    });
  };
}

function optionsOf(config: GrpcServerConfig): ServerOptions {
  const parameters = config.keepalive?.server_parameters;
  return {
    'grpc.max_receive_message_length':
      (config.max_recv_msg_size_mib || DEFAULT_MAX_MESSAGE_MIB) * 1024 * 1024,
    'grpc.max_concurrent_streams': config.max_concurrent_streams || DEFAULT_MAX_STREAMS,
    ...(parameters !== undefined && {
      'grpc.keepalive_time_ms': parameters.time,
      'grpc.keepalive_timeout_ms': parameters.timeout,
    }),
    ...positive('grpc.max_connection_idle_ms', parameters?.max_connection_idle),
    ...positive('grpc.max_connection_age_ms', parameters?.max_connection_age),
    ...positive('grpc.max_connection_age_grace_ms', parameters?.max_connection_age_grace),
  };
}

/** The option where it has a value: 0 means the library's default. */
function positive(key: keyof ServerOptions, value: number | undefined): ServerOptions {
  return value === undefined || value === 0 ? {} : { [key]: value };
}

/** Unlike `ServerCredentials.createSsl`, takes TLS versions, suites and curves too. */
class TlsCredentials extends ServerCredentials {
  constructor(material: TlsMaterial, demandClientCertificate: boolean) {
    super({ requestCert: demandClientCertificate, rejectUnauthorized: demandClientCertificate }, material);
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

async function credentialsOf({ tls }: GrpcServerConfig): Promise<ServerCredentials> {
  if (tls === undefined || tls === null) return ServerCredentials.createInsecure();
  return new TlsCredentials(await loadTlsMaterial(tls), tls.client_ca_file !== undefined);
}

async function bind(server: Server, asked: HostPort, credentials: ServerCredentials): Promise<HostPort> {
  // An endpoint without host means all interfaces: IPv6 sockets take IPv4 too, where there is IPv6.
  const hosts = asked.host === '' ? ['::', '0.0.0.0'] : [asked.host];
  let failure: Error | undefined;
  for (const host of hosts) {
    try {
      const address = formatHostPort({ host, port: asked.port });
      const port = await new Promise<number>((resolve, reject) => {
        server.bindAsync(address, credentials, (error, bound) =>
          error === null ? resolve(bound) : reject(error),
        );
      });
      return { host: asked.host, port };
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(String(error));
    }
  }
  throw new Error(`listen on "${formatHostPort(asked)}": ${failure?.message ?? 'no address'}`, {
    cause: failure,
  });
}

async function shutDown(server: Server, deadline: AbortSignal): Promise<void> {
  const cut = (): void => server.forceShutdown();
  const ended = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  if (deadline.aborted) cut();
  else deadline.addEventListener('abort', cut, { once: true });
  await ended;
  deadline.removeEventListener('abort', cut);
}
