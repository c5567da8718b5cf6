// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Extension, Host, Settings } from '../../component/component.ts';
import { formatDuration } from '../../config/sections/duration.ts';
import { openServerTls } from '../../config/sections/tls-source.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { HttpError, type HttpServer, listenHttp, sendJson, sendText } from '../../internal/http-server.ts';
import type { Config } from './config.ts';

const MAX_CONNECTIONS = 64;
/** Go's zero time, which upstream sends while there is nothing to tell. */
const NO_TIME = '0001-01-01T00:00:00Z';

/** Answers 200 while all pipelines accept work, 503 before and after. */
export class HealthCheckExtension implements Extension {
  readonly #settings: Settings;
  readonly #config: Config;
  readonly #clock: Clock;
  #server: HttpServer | undefined;
  #upSinceMs: number | undefined;

  constructor(settings: Settings, config: Config, clock: Clock = systemClock) {
    this.#settings = settings;
    this.#config = config;
    this.#clock = clock;
  }

  /** Where it listens, once started. */
  get url(): string | undefined {
    return this.#server?.url;
  }

  async start(_host: Host, _signal: AbortSignal): Promise<void> {
    const { endpoint, tls } = this.#config;
    this.#server = await listenHttp(
      {
        endpoint,
        maxConnections: MAX_CONNECTIONS,
        ...(await openServerTls(tls, this.#settings.logger)),
      },
      (request, response) => this.#answer(request, response),
    );
    this.#settings.logger.info('Starting health_check extension', { endpoint: this.#server.url });
  }

  ready(): void {
    this.#upSinceMs = this.#clock.now();
  }

  notReady(): void {
    this.#upSinceMs = undefined;
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    this.notReady();
    await this.#server?.close(deadline);
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
