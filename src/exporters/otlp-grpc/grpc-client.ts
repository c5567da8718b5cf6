// SPDX-License-Identifier: Apache-2.0
import type { OutgoingHttpHeaders } from 'node:http2';
import type { ClientAuthenticator, RequestHeaders } from '../../component/authenticator.ts';
import type { BuildInfo, Settings } from '../../component/component.ts';
import { grpcAuthority } from '../../config/sections/endpoint.ts';
import { openClientTls } from '../../config/sections/tls-source.ts';
import { Code, GrpcError } from '../../grpc/status.ts';
import { sendAuthorized, warnOfPlaintext } from '../helper/client-auth.ts';
import { authorityOf, openGrpcClient } from '../../grpc/client.ts';
import type { Target } from '../../grpc/dial.ts';
import { isSupportedEncoding } from '../../grpc/encoding.ts';
import { proxyFor } from '../../grpc/proxy.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { parseHostPort } from '../../internal/endpoint.ts';
import type { Config } from './config.ts';
import { fromGrpcError } from './grpc-errors.ts';

const EXPORT = '/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export';

/**
 * A gap to the receiver is noticed as closed soon after it is: reconnecting is cheap, waiting is not. With the spread of
 * a fifth there is one attempt a second at most.
 */
const RECONNECT = { initialMs: 1_250, maxMs: 2_000 };
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
  { build, logger }: Settings,
  onReady: () => void,
  auth?: ClientAuthenticator,
  clock: Clock = systemClock,
): Promise<ProfilesClient> {
  const { compression, keepalive, tls } = config;
  const encoding = compression === 'none' ? 'identity' : compression;
  if (encoding !== 'identity' && !isSupportedEncoding(encoding)) {
    throw new Error(`compression "${encoding}" needs the codecs addon (run "npm run setup")`);
  }
  const target = targetOf(config.endpoint);
  const ownHeaders = headersOf(config, build);
  if (target.kind === 'tcp') warnOfPlaintext(auth, isPlaintext(config), target.at.host, logger);
  const client = openGrpcClient({
    target,
    tls: isPlaintext(config) ? undefined : await openClientTls(tls, logger),
    serverName: tls.server_name_override,
    authority: config.authority ?? tls.server_name_override ?? authorityOf(target),
    headers: toMetadata(ownHeaders),
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
    clock,
  });
  return {
    async export(request, signal) {
      try {
        return await sendAuthorized(
          auth,
          ownHeaders,
          signal,
          (headers) => client.call(EXPORT, request, config.timeout, signal, toMetadata(headers)),
          (outcome) => outcome instanceof GrpcError && outcome.code === Code.unauthenticated,
        );
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

function isPlaintext({ endpoint, tls }: Config): boolean {
  return endpoint.startsWith('http://') || (tls.insecure && !endpoint.startsWith('https://'));
}

const GO_ARCH: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

/** `otelcol-profiles/1.0.0 (linux/amd64)`, the form that the Collector sends. */
function userAgent(build: BuildInfo): string {
  return `${build.command}/${build.version} (${process.platform}/${GO_ARCH[process.arch] ?? process.arch})`;
}

/** What may not be set: these belong to the protocol. */
const RESERVED = /^(?::|grpc-|content-type$|te$|user-agent$|connection$|host$|transfer-encoding$)/;

function headersOf(config: Config, build: BuildInfo): RequestHeaders {
  const headers: Record<string, string> = { 'user-agent': config.user_agent ?? userAgent(build) };
  for (const [name, value] of Object.entries(config.headers)) {
    const key = name.toLowerCase();
    if (RESERVED.test(key)) throw new Error(`header "${name}" belongs to gRPC and cannot be configured`);
    headers[key] = value.reveal();
  }
  return headers;
}

/** Headers as they travel: binary values, which are base64 in the configuration too, lose their padding. */
function toMetadata(headers: RequestHeaders): OutgoingHttpHeaders {
  const onWire = (name: string, text: string): string =>
    name.endsWith('-bin') ? Buffer.from(text, 'base64').toString('base64').replace(/=+$/, '') : text;
  return Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, onWire(name, text)]));
}
