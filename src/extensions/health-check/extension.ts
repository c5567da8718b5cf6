// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Extension, Host, Settings } from '../../component/component.ts';
import type { ServiceView } from '../../component/service-view.ts';
import { formatDuration } from '../../config/sections/duration.ts';
import { openServerTls } from '../../config/sections/tls-source.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { isAllowedHost } from '../../internal/host-check.ts';
import { HttpError, type HttpServer, listenHttp, sendJson, sendText } from '../../internal/http-server.ts';
import { type Config, v2Of } from './config.ts';
import { type Phase, statusAnswer } from './status-tree.ts';

const MAX_CONNECTIONS = 64;
const MAX_URL_LENGTH = 2048;
const NO_NAMES: ReadonlySet<string> = new Set();
/** Go's zero time, which upstream sends while there is nothing to tell. */
const NO_TIME = '0001-01-01T00:00:00Z';

/** Answers 200 while all pipelines accept work, 503 before and after. */
export class HealthCheckExtension implements Extension {
  readonly #settings: Settings;
  readonly #config: Config;
  readonly #clock: Clock;
  #server: HttpServer | undefined;
  #upSinceMs: number | undefined;
  #phase: Phase = 'starting';

  constructor(settings: Settings, config: Config, clock: Clock = systemClock) {
    this.#settings = settings;
    this.#config = config;
    this.#clock = clock;
  }

  /** Where it listens, once started. */
  get url(): string | undefined {
    return this.#server?.url;
  }

  async start({ service }: Host, _signal: AbortSignal): Promise<void> {
    const { endpoint, tls } = this.#config.use_v2 ? v2Of(this.#config).http : this.#config;
    this.#server = await listenHttp(
      {
        endpoint,
        maxConnections: MAX_CONNECTIONS,
        ...(await openServerTls(tls, this.#settings.logger)),
      },
      (request, response) =>
        this.#config.use_v2 ? this.#answerV2(request, response, service) : this.#answer(request, response),
    );
    this.#settings.logger.info('Starting health_check extension', { endpoint: this.#server.url });
  }

  ready(): void {
    this.#phase = 'running';
    this.#upSinceMs = this.#clock.now();
  }

  notReady(): void {
    this.#phase = 'stopping';
    this.#upSinceMs = undefined;
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    this.notReady();
    await this.#server?.close(deadline);
  }

  #answerV2(request: IncomingMessage, response: ServerResponse, service: ServiceView): void {
    const { health, http } = v2Of(this.#config);
    if (request.method !== 'GET' && request.method !== 'HEAD') throw new HttpError(405, 'want GET');
    const target = request.url ?? '/';
    if (target.length > MAX_URL_LENGTH || !URL.canParse(target, 'http://localhost'))
      throw new HttpError(400, 'want a path');
    const { pathname, searchParams } = new URL(target, 'http://localhost');
    if (http.config.enabled && pathname === http.config.path) {
      // A page of a site that rebinds its name to this machine must not read the configuration.
      if (!isAllowedHost(request.headers.host, NO_NAMES))
        throw new HttpError(421, 'the configuration is shown under an address or localhost alone');
      sendJson(response, 200, service.config());
      return;
    }
    if (!http.status.enabled || pathname !== http.status.path) {
      const served = [http.status, http.config].filter(({ enabled }) => enabled).map(({ path }) => path);
      throw new HttpError(404, `health is at ${served.join(' and ')}`);
    }
    const rules = {
      includePermanent: health.include_permanent_errors,
      includeRecoverable: health.include_recoverable_errors,
      recoveryMs: health.recovery_duration,
    };
    const answer = statusAnswer(service, this.#phase, rules, this.#clock.now(), searchParams);
    if (answer === undefined) throw new HttpError(404, 'there is no such pipeline');
    sendJson(response, answer.code, answer.body);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { path, response_body: texts } = this.#config;
    const asked = request.url?.split('?')[0];
    if (path !== '/' && asked !== path) throw new HttpError(404, `health is at ${path}`);
    const upSinceMs = this.#upSinceMs;
    const status = upSinceMs === undefined ? 503 : 200;
    if (texts !== undefined) {
      sendText(response, status, upSinceMs === undefined ? texts.unhealthy : texts.healthy);
      return;
    }
    const body =
      upSinceMs === undefined
        ? { status: 'Server not available', upSince: NO_TIME, uptime: '' }
        : {
            status: 'Server available',
            upSince: new Date(upSinceMs).toISOString(),
            uptime: formatDuration(this.#clock.now() - upSinceMs),
          };
    sendJson(response, status, body);
  }
}
