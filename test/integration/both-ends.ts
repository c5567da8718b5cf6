// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Service } from '../../src/service/service.ts';
import { type FakePyroscope, startFakePyroscope } from './fake-pyroscope.ts';
import { PyroscopeQueries } from './pyroscope-queries.ts';
import { runningService } from './running-service.ts';

/** How long a server may take until what it acknowledged is found. */
const FOUND_WITHIN_MS = 10_000;
const DIRECT = { sending_queue: { enabled: false }, retry_on_failure: { enabled: false } };

/** A place where profiles arrive, asked over the API of a Pyroscope server. */
export class End {
  readonly #queries: PyroscopeQueries;
  /** Labels that tell what arrived here now from what else the server has. */
  readonly #own: Readonly<Record<string, string>>;

  constructor(url: string, own: Readonly<Record<string, string>>) {
    this.#queries = new PyroscopeQueries(url);
    this.#own = own;
  }

  /** Labels of every series of a service. */
  async series(service: string): Promise<Record<string, string>[]> {
    const all = await this.#queries.series(service);
    return all.filter((labels) => Object.entries(this.#own).every(([key, value]) => labels[key] === value));
  }

  /** Types of the profiles of a service, sorted. */
  async types(service: string): Promise<string[]> {
    return [...new Set((await this.series(service)).map(({ __profile_type__: type = '' }) => type))].sort();
  }

  /** Stacks and their weight in all series of a service that have the labels. */
  folded(type: string, service: string, labels: Readonly<Record<string, string>> = {}): Promise<string> {
    const matchers = Object.entries({ ...this.#own, ...labels }).map(([key, value]) => `,${key}="${value}"`);
    return this.#queries.folded(type, service, matchers.join(''));
  }
}

/**
 * A collector in this process that sends what it gets to two places, over push.v1 and over OTLP. They are fake servers of
 * this process, or the one that PYROSCOPE_URL names, where both ways are told apart by a label.
 */
export class BothEnds {
  readonly push: End;
  readonly otlp: End;
  /** Everything that the collector logged. */
  readonly log: readonly string[];
  readonly #service: Service;
  readonly #fakes: readonly FakePyroscope[];

  private constructor(
    ends: { readonly push: End; readonly otlp: End },
    fakes: readonly FakePyroscope[],
    { service, log }: { readonly service: Service; readonly log: readonly string[] },
  ) {
    this.push = ends.push;
    this.otlp = ends.otlp;
    this.#fakes = fakes;
    this.#service = service;
    this.log = log;
  }

  /** With these receivers; `unnamed` is the service of profiles that do not name theirs. */
  static async start(receivers: Readonly<Record<string, object>>, unnamed?: string): Promise<BothEnds> {
    const url = process.env['PYROSCOPE_URL'] ?? '';
    const fakes = url === '' ? await Promise.all([startFakePyroscope(), startFakePyroscope()]) : [];
    const [push = url, otlp = url] = fakes.map((fake) => fake.url);
    const isReal = fakes.length === 0;
    const run = randomUUID();
    const own = (over: string): Record<string, string> => (isReal ? { run, over } : {});
    // A processor would have every profile decoded: none is there but where it is needed.
    const names = isReal || unnamed !== undefined ? ['push', 'otlp'] : [];
    const processors = names.map((name) => {
      const actions = [
        ...(unnamed === undefined ? [] : [{ key: 'service.name', value: unnamed, action: 'insert' }]),
        ...Object.entries(own(name)).map(([key, value]) => ({ key, value, action: 'upsert' })),
      ];
      return [`resource/${name}`, { attributes: actions }];
    });
    const pipeline = (name: string, exporter: string): object => ({
      receivers: Object.keys(receivers),
      processors: names.includes(name) ? [`resource/${name}`] : [],
      exporters: [exporter],
    });
    const config = {
      receivers,
      processors: Object.fromEntries(processors),
      exporters: {
        pyroscope: { endpoint: push, ...DIRECT },
        otlp_grpc: {
          endpoint: otlp.replace(/^\w+:\/\//, ''),
          tls: { insecure: true },
          pyroscope_compatibility: 'on',
          ...DIRECT,
        },
      },
      service: {
        pipelines: {
          'profiles/push': pipeline('push', 'pyroscope'),
          'profiles/otlp': pipeline('otlp', 'otlp_grpc'),
        },
      },
    };
    const running = await runningService({ after: () => undefined }, JSON.stringify(config));
    return new BothEnds(
      { push: new End(push, own('push')), otlp: new End(otlp, own('otlp')) },
      fakes,
      running,
    );
  }

  /** The address that a line of the log names. */
  endpoint(message: string): string {
    const { endpoint = '' } =
      this.log
        .map((line) => JSON.parse(line) as { msg: string; endpoint?: string })
        .find(({ msg }) => msg === message) ?? {};
    assert.notEqual(endpoint, '', `nothing says "${message}"`);
    return `http://${endpoint}`;
  }

  /**
   * Asserts that both ends got the same weight under the same stacks, under the labels, and gives the stacks. Senders
   * must have ended.
   */
  async same(
    service: string,
    labels: Readonly<Record<string, string>>,
    pushType: string,
    otlpType = pushType,
  ): Promise<string> {
    const end = performance.now() + FOUND_WITHIN_MS;
    for (;;) {
      const pushed = await this.push.folded(pushType, service, labels);
      const exported = await this.otlp.folded(otlpType, service, labels);
      if (pushed !== '' && pushed === exported) return pushed;
      if (this.#fakes.length > 0 || performance.now() > end) {
        assert.notEqual(pushed, '', `${pushType} of ${service} with ${JSON.stringify(labels)}`);
        assert.equal(exported, pushed);
      }
      await delay(100);
    }
  }

  /** Asserts that both ends took everything. */
  assertAllTaken(): void {
    const lines = this.log.map((line) => JSON.parse(line) as Record<string, string>);
    const complaints = lines.filter(
      ({ level, 'otelcol.component.kind': kind }) => kind === 'exporter' && level !== 'info',
    );
    assert.deepEqual(complaints, []);
    for (const { store } of this.#fakes) assert.deepEqual(store.rejections, []);
  }

  /** Ends the collector, which delivers what it has. */
  drain(): Promise<void> {
    return this.#service.shutdown(AbortSignal.timeout(30_000));
  }

  async stop(): Promise<void> {
    await this.drain();
    await Promise.all(this.#fakes.map((fake) => fake.stop()));
  }
}

/** The weight of all stacks. */
export function totalOf(folded: string): number {
  return folded.split('\n').reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** Share of the weight whose stack has the function. */
export function shareOf(folded: string, name: RegExp): number {
  const found = folded.split('\n').filter((line) => name.test(line));
  return found.length === 0 ? 0 : totalOf(found.join('\n')) / totalOf(folded);
}
