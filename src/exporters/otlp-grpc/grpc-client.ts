// SPDX-License-Identifier: Apache-2.0
import type { OutgoingHttpHeaders } from 'node:http2';
import type { ConnectionOptions } from 'node:tls';
import type { BuildInfo } from '../../component/component.ts';
import { grpcAuthority } from '../../config/sections/endpoint.ts';
import { loadTlsMaterial } from '../../config/sections/tls-material.ts';
import { authorityOf, openGrpcClient } from '../../grpc/client.ts';
import type { Target } from '../../grpc/dial.ts';
import { isSupportedEncoding } from '../../grpc/encoding.ts';
import { proxyFor } from '../../grpc/proxy.ts';
import { systemClock } from '../../internal/clock.ts';
import { parseHostPort } from '../../internal/endpoint.ts';
import type { Config } from './config.ts';
import { fromGrpcError } from './grpc-errors.ts';

const EXPORT = '/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export';

/** A gap to the receiver is noticed as closed soon after it is: reconnecting is cheap, waiting is not. */
const RECONNECT = { initialMs: 500, maxMs: 2_000 };
/** As grpc-go. */
const MAX_RECEIVE_BYTES = 4 * 1024 * 1024;

/** Calls of ProfilesService/Export with bytes that are encoded already. */
export interface ProfilesClient {
  /** `request`: encoded, in pieces. Resolves with the encoded response; rejects with PermanentError or RetryableError, or the signal's reason. */
  export(request: readonly Uint8Array[], signal: AbortSignal): Promise<Uint8Array>;
  close(): void;
}

/** `onReady` is called each time the connection is up. Rejects where certificates cannot be read. */
export async function openProfilesClient(
  config: Config,
  build: BuildInfo,
  onReady: () => void,
): Promise<ProfilesClient> {
  const { compression, keepalive, tls } = config;
  const encoding = compression === 'none' ? 'identity' : compression;
  if (encoding !== 'identity' && !isSupportedEncoding(encoding)) {
    throw new Error(`compression "${encoding}" needs the codecs addon (run "npm run setup")`);
  }
  const target = targetOf(config.endpoint);
  const client = openGrpcClient({
    target,
    tls: await tlsOptions(config),
    serverName: tls.server_name_override,
    authority: config.authority ?? tls.server_name_override ?? authorityOf(target),
    headers: headersOf(config, build),
    encoding,
    balancing: config.balancer_name,
    keepalive: {
      timeMs: keepalive.time,
      timeoutMs: keepalive.timeout,
      permitWithoutCalls: keepalive.permit_without_stream,
    },
    backoff: RECONNECT,
    waitForReady: config.wait_for_ready,
    maxReceiveBytes: MAX_RECEIVE_BYTES,
    onReady,
    clock: systemClock,
  });
  return {
    async export(request, signal) {
      try {
        return await client.call(EXPORT, request, config.timeout, signal);
      } catch (error) {
        throw fromGrpcError(error);
      }
    },
    close: () => client.close(),
  };
}

function targetOf(endpoint: string): Target {
  if (endpoint.startsWith('unix:')) return { kind: 'unix', path: endpoint.replace(/^unix:(?:\/\/)?/, '') };
  const at = parseHostPort(grpcAuthority(endpoint));
  return { kind: 'tcp', at, proxy: proxyFor(at, process.env) };
}

async function tlsOptions({ endpoint, tls }: Config): Promise<ConnectionOptions | undefined> {
  const isPlain = endpoint.startsWith('http://') || (tls.insecure && !endpoint.startsWith('https://'));
  if (isPlain) return undefined;
  return { ...(await loadTlsMaterial(tls)), rejectUnauthorized: !tls.insecure_skip_verify };
}

const GO_ARCH: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

/** `otelcol-profiles/1.0.0 (linux/amd64)`, the form that the Collector sends. */
function userAgent(build: BuildInfo): string {
  return `${build.command}/${build.version} (${process.platform}/${GO_ARCH[process.arch] ?? process.arch})`;
}

/** What may not be set: these belong to the protocol. */
const RESERVED = /^(?::|grpc-|content-type$|te$|user-agent$|connection$|host$|transfer-encoding$)/;

function headersOf(config: Config, build: BuildInfo): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { 'user-agent': config.user_agent ?? userAgent(build) };
  for (const [name, value] of Object.entries(config.headers)) {
    const key = name.toLowerCase();
    if (RESERVED.test(key)) throw new Error(`header "${name}" belongs to gRPC and cannot be configured`);
    const text = value.reveal();
    // Binary values are written as base64 in the configuration too; on the wire without padding.
    headers[key] = key.endsWith('-bin')
      ? Buffer.from(text, 'base64').toString('base64').replace(/=+$/, '')
      : text;
  }
  return headers;
}
