// SPDX-License-Identifier: Apache-2.0
import { encodeOtlpJson } from '../../codecs/otlp/json.ts';
import { compress } from '../../compression/compression.ts';
import { clientAuthenticator } from '../../component/authenticator.ts';
import type { BuildInfo, Exporter, Settings } from '../../component/component.ts';
import { PermanentError } from '../../consumer/consumer.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { httpProxyFor } from '../../internal/http-proxy.ts';
import { warnOfPlaintext } from '../helper/client-auth.ts';
import {
  answerError,
  type HttpAnswer,
  type HttpClient,
  isSuccess,
  openHttpClient,
  userAgent,
} from '../helper/http-client.ts';
import { joined } from '../../internal/wire-writer.ts';
import { basicCredentials } from '../../internal/url-credentials.ts';
import { createOtlpExporter, type OtlpTransport } from '../helper/otlp-requests.ts';
import { type PartialSuccess, partialSuccess, statusMessage } from '../helper/otlp-response.ts';
import { RecoveryGate } from '../helper/recovery-gate.ts';
import type { Config } from './config.ts';

const CONTENT_TYPES = { proto: 'application/x-protobuf', json: 'application/json' } as const;

/** Sends profiles over OTLP/HTTP. */
export function createOtlpHttpExporter(
  settings: Settings,
  config: Config,
  options: { clock?: Clock } = {},
): Exporter {
  const clock = options.clock ?? systemClock;
  const url = profilesUrl(config);
  return createOtlpExporter(settings, {
    requests: config,
    // Without the user and password that a URL may hold: it is logged.
    endpoint: `${url.origin}${url.pathname}`,
    queue: config.sending_queue,
    retry: config.retry_on_failure,
    timeout: config.timeout,
    auth: config.auth,
    clock,
    ...(config.encoding === 'json' && {
      encode: (batch, { inlineReferences = false }) => [encodeOtlpJson(batch, { inlineReferences })],
    }),
    async open(onReady, host) {
      const auth = clientAuthenticator(host, config.auth);
      warnOfPlaintext(auth, url.protocol === 'http:', url.hostname, settings.logger);
      const proxyUrl = config.proxy_url ?? httpProxyFor(url, process.env);
      const client = await openHttpClient({
        url,
        tls: config.tls,
        logger: settings.logger,
        auth,
        proxyUrl,
        maxConnections: config.max_conns_per_host || config.sending_queue.num_consumers,
        idleTimeoutMs: config.idle_conn_timeout,
        keepAlive: !config.disable_keep_alives,
      });
      const gate = new RecoveryGate(proxyUrl ?? url.href, clock, onReady, 'unreachable');
      return new HttpTransport(config, url, settings.build, client, gate, clock);
    },
  });
}

/** Where the requests go. */
export function profilesUrl({ endpoint, profiles_endpoint }: Config): URL {
  if (profiles_endpoint !== undefined) return new URL(profiles_endpoint);
  const url = new URL(endpoint ?? '');
  url.pathname = `${url.pathname.replace(/\/$/, '')}/v1development/profiles`;
  return url;
}

class HttpTransport implements OtlpTransport {
  readonly #config: Config;
  readonly #path: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #client: HttpClient;
  readonly #gate: RecoveryGate;
  readonly #clock: Clock;

  constructor(
    config: Config,
    url: URL,
    build: BuildInfo,
    client: HttpClient,
    gate: RecoveryGate,
    clock: Clock,
  ) {
    this.#config = config;
    this.#path = `${url.pathname}${url.search}`;
    this.#headers = requestHeaders(config, url, build);
    this.#client = client;
    this.#gate = gate;
    this.#clock = clock;
  }

  async prepare(request: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    const { compression, compression_params } = this.#config;
    if (compression === 'none') return [joined(request)];
    return [await compress(compression, request, compression_params.level)];
  }

  async send(request: readonly Uint8Array[], signal: AbortSignal): Promise<PartialSuccess | undefined> {
    // Who may not try again must not be kept from trying.
    if (this.#config.retry_on_failure.enabled) this.#gate.enter();
    try {
      const answer = await this.#client.post(this.#path, this.#headers, joined(request), signal);
      this.#gate.succeeded();
      if (!isSuccess(answer)) throw answerError(answer, messageOf(answer), this.#clock.now());
      const encoding = encodingOf(answer);
      return encoding && partialSuccess(answer.body, encoding);
    } catch (error) {
      // What came too late, or was given up here, says nothing of whether there is a receiver.
      if (!(error instanceof PermanentError) && !signal.aborted) this.#gate.failed(error);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#gate.stop();
    await this.#client.close();
  }
}

function requestHeaders(config: Config, url: URL, build: BuildInfo): Record<string, string> {
  const authorization = basicCredentials(url);
  return {
    'content-type': CONTENT_TYPES[config.encoding],
    'user-agent': userAgent(build),
    ...(config.compression !== 'none' && { 'content-encoding': config.compression }),
    ...(authorization !== undefined && { authorization }),
    ...Object.fromEntries(
      Object.entries(config.headers).map(([name, value]) => [name.toLowerCase(), value.reveal()]),
    ),
  };
}

/** The encoding of an answer is the server's choice; some write protobuf whatever they were sent. */
function encodingOf({ contentType }: HttpAnswer): 'proto' | 'json' | undefined {
  if (contentType === CONTENT_TYPES.json) return 'json';
  return contentType === CONTENT_TYPES.proto || contentType === 'application/protobuf' ? 'proto' : undefined;
}

/** The message of the google.rpc.Status that OTLP asks for; servers and proxies also send plain text. */
function messageOf(answer: HttpAnswer): string {
  const encoding = encodingOf(answer);
  const message = encoding && statusMessage(answer.body, encoding);
  return message ?? (encoding === 'proto' ? '' : answer.body.toString());
}
