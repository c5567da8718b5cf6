// SPDX-License-Identifier: Apache-2.0
import { createSecureContext } from 'node:tls';
import {
  Client,
  type ClientOptions,
  compressionAlgorithms,
  connectivityState,
  credentials,
  Metadata,
} from '@grpc/grpc-js';
import type { BuildInfo } from '../../component/component.ts';
import { grpcAuthority } from '../../config/sections/endpoint.ts';
import { loadTlsMaterial } from '../../config/sections/tls-material.ts';
import { RetryableError } from '../../consumer/consumer.ts';
import { TransportError } from '../helper/delivery.ts';
import type { Config } from './config.ts';
import { fromServiceError } from './grpc-errors.ts';

const EXPORT = '/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export';

/** A gap to the receiver is noticed as closed soon after it is: reconnecting is cheap, waiting is not. */
const RECONNECT_MS = { initial: 500, max: 2_000 };

/** Calls of ProfilesService/Export with bytes that are encoded already. */
export interface ProfilesClient {
  /** Resolves with the encoded response; rejects with PermanentError or RetryableError. */
  export(request: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
  close(): void;
}

/** `onReady` is called each time the connection is up. Rejects where certificates cannot be read. */
export async function openProfilesClient(
  config: Config,
  build: BuildInfo,
  onReady: () => void,
): Promise<ProfilesClient> {
  const client = new Client(
    targetOf(config.endpoint),
    await channelCredentials(config),
    clientOptions(config, build),
  );
  watch(client, onReady);
  const metadata = requestMetadata(config);
  return {
    export: (request, signal) => call(client, metadata, request, signal),
    close: () => client.close(),
  };
}

function targetOf(endpoint: string): string {
  return endpoint.startsWith('unix:') ? endpoint : `dns:///${grpcAuthority(endpoint)}`;
}

async function channelCredentials({ endpoint, tls }: Config) {
  const isPlain = endpoint.startsWith('http://') || (tls.insecure && !endpoint.startsWith('https://'));
  if (isPlain) return credentials.createInsecure();
  const context = createSecureContext(await loadTlsMaterial(tls));
  return credentials.createFromSecureContext(context, { rejectUnauthorized: !tls.insecure_skip_verify });
}

function clientOptions(config: Config, build: BuildInfo): ClientOptions {
  const { keepalive, tls, compression } = config;
  const algorithm = { none: compressionAlgorithms.identity, ...compressionAlgorithms }[compression];
  return {
    'grpc.primary_user_agent': config.user_agent ?? userAgent(build),
    'grpc.default_compression_algorithm': algorithm,
    'grpc.keepalive_time_ms': keepalive.time,
    'grpc.keepalive_timeout_ms': keepalive.timeout,
    'grpc.keepalive_permit_without_calls': keepalive.permit_without_stream ? 1 : 0,
    'grpc.max_send_message_length': -1,
    'grpc.initial_reconnect_backoff_ms': RECONNECT_MS.initial,
    'grpc.max_reconnect_backoff_ms': RECONNECT_MS.max,
    'grpc.enable_retries': 0,
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ [config.balancer_name]: {} }] }),
    ...(config.authority !== undefined && { 'grpc.default_authority': config.authority }),
    ...(tls.server_name_override !== undefined && {
      'grpc.ssl_target_name_override': tls.server_name_override,
    }),
  };
}

const GO_ARCH: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

/** `otelcol-profiles/1.0.0 (linux/amd64)`, the form that the Collector sends. */
function userAgent(build: BuildInfo): string {
  return `${build.command}/${build.version} (${process.platform}/${GO_ARCH[process.arch] ?? process.arch})`;
}

function requestMetadata(config: Config): Metadata {
  const metadata = new Metadata({ waitForReady: config.wait_for_ready });
  for (const [name, value] of Object.entries(config.headers)) {
    const text = value.reveal();
    metadata.set(name, name.toLowerCase().endsWith('-bin') ? Buffer.from(text, 'base64') : text);
  }
  return metadata;
}

/** Tells when the channel becomes ready, and keeps it trying while it is not. */
function watch(client: Client, onReady: () => void): void {
  const channel = client.getChannel();
  const follow = (): void => {
    const state = channel.getConnectivityState(true);
    if (state === connectivityState.SHUTDOWN) return;
    if (state === connectivityState.READY) onReady();
    channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, (error) => {
      if (error === undefined) follow();
    });
  };
  follow();
}

function call(
  client: Client,
  metadata: Metadata,
  request: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const running = client.makeUnaryRequest(
      EXPORT,
      (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      (bytes) => bytes,
      request,
      metadata,
      (error, response) => {
        signal.removeEventListener('abort', onAbort);
        if (error !== null) reject(fromServiceError(error));
        else if (response === undefined) reject(noResponse());
        else resolve(response);
      },
    );
    const onAbort = (): void => running.cancel();
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

function noResponse(): RetryableError {
  const message = 'the call ended without a response';
  return new RetryableError(message, { cause: new TransportError('Internal', message) });
}
