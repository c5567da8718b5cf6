// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Session } from 'node:inspector/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Extension, Host, Settings } from '../../component/component.ts';
import { type Clock, sleep, systemClock } from '../../internal/clock.ts';
import { HttpError, type HttpServer, listenHttp, sendBody, sendText } from '../../internal/http-server.ts';
import { html, localRequest } from '../../internal/local-pages.ts';
import type { Config } from './config.ts';
import { pprofOfCpu, pprofOfHeap } from './profiles.ts';

const MAX_CONNECTIONS = 16;
const DEFAULT_SECONDS = 30;
/** V8 keeps every sample in memory until it is asked for them. */
const MAX_SECONDS = 300;
/** 100 samples a second, as Go's. */
const INTERVAL_US = 10_000;
const HEAP_INTERVAL_BYTES = 512 * 1024;

const packed = promisify(gzip);

/** CPU and heap profiles of this process, as pprof over HTTP. */
export class PprofExtension implements Extension {
  readonly #settings: Settings;
  readonly #config: Config;
  readonly #clock: Clock;
  readonly #hosts: ReadonlySet<string>;
  readonly #stop = new AbortController();
  #server: HttpServer | undefined;
  #heap: Session | undefined;
  #isProfiling = false;

  constructor(settings: Settings, config: Config, clock: Clock = systemClock) {
    this.#settings = settings;
    this.#config = config;
    this.#clock = clock;
    this.#hosts = new Set(config.allowed_hosts.map((name) => name.toLowerCase()));
  }

  /** Where it listens, once started. */
  get url(): string | undefined {
    return this.#server?.url;
  }

  async start(_host: Host, _signal: AbortSignal): Promise<void> {
    this.#server = await listenHttp(
      {
        endpoint: this.#config.endpoint,
        maxConnections: MAX_CONNECTIONS,
        onError: (error) => this.#settings.logger.error('a profile could not be made', { error }),
      },
      (request, response, signal) => this.#answer(request, response, signal),
    );
    this.#heap = new Session();
    this.#heap.connect();
    await this.#heap.post('HeapProfiler.startSampling', { samplingInterval: HEAP_INTERVAL_BYTES });
    this.#settings.logger.info('Starting net/http/pprof server', { endpoint: this.#server.url });
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    this.#stop.abort(new Error('the collector is shut down'));
    this.#heap?.disconnect();
    this.#heap = undefined;
    await this.#server?.close(deadline);
  }

  async #answer(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const url = localRequest(request, response, this.#hosts, 'the pprof extension');
    switch (url.pathname) {
      case '/debug/pprof':
        response.writeHead(301, { location: '/debug/pprof/' }).end();
        return;
      case '/debug/pprof/':
        return sendText(response, 200, INDEX, 'text/html; charset=utf-8');
      case '/debug/pprof/profile':
        return send(response, 'profile', await this.#cpu(secondsOf(url.searchParams), signal));
      case '/debug/pprof/heap':
        return send(response, 'heap', await this.#heapNow());
      default:
        throw new HttpError(404, 'profiles are /debug/pprof/profile?seconds=N and /debug/pprof/heap');
    }
  }

  /** Samples for so long, or until the client goes away. */
  async #cpu(seconds: number, signal: AbortSignal): Promise<Uint8Array> {
    if (this.#isProfiling) throw new HttpError(409, 'a CPU profile is being made already');
    this.#isProfiling = true;
    const session = new Session();
    try {
      session.connect();
      await session.post('Profiler.enable');
      await session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US });
      const startMs = this.#clock.now();
      await session.post('Profiler.start');
      try {
        await sleep(this.#clock, seconds * 1_000, AbortSignal.any([signal, this.#stop.signal]));
      } catch (cause) {
        throw new HttpError(503, 'the profile was cut short', { cause });
      }
      const { profile } = await session.post('Profiler.stop');
      return pprofOfCpu(profile, startMs, INTERVAL_US);
    } finally {
      session.disconnect();
      this.#isProfiling = false;
    }
  }

  async #heapNow(): Promise<Uint8Array> {
    if (this.#heap === undefined) throw new HttpError(503, 'the collector starts or stops');
    const { profile } = await this.#heap.post('HeapProfiler.getSamplingProfile');
    return pprofOfHeap(profile, this.#clock.now(), HEAP_INTERVAL_BYTES);
  }
}

function secondsOf(query: URLSearchParams): number {
  const text = query.get('seconds');
  if (text === null || text === '') return DEFAULT_SECONDS;
  const seconds = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (seconds < 1 || seconds > MAX_SECONDS)
    throw new HttpError(400, `query "seconds": want a number from 1 to ${MAX_SECONDS}`);
  return seconds;
}

async function send(response: ServerResponse, name: string, pprof: Uint8Array): Promise<void> {
  response.setHeader('content-disposition', `attachment; filename="${name}.pb.gz"`);
  sendBody(response, 200, 'application/octet-stream', await packed(pprof));
}

const INDEX = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>pprof · otelcol-profiles</title></head><body>
<h1>Profiles of this collector</h1>
<ul>
<li><a href="/debug/pprof/profile?seconds=${DEFAULT_SECONDS}">profile</a>: CPU, for ${DEFAULT_SECONDS} seconds (?seconds=N)</li>
<li><a href="/debug/pprof/heap">heap</a>: memory on the JavaScript heap</li>
</ul>
<pre>go tool pprof http://HOST:PORT/debug/pprof/profile?seconds=10</pre>
</body></html>
`.text;
