// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import type { Component, Host, Settings } from '../../component/component.ts';
import {
  connectorFactory,
  type ExporterFactory,
  exporterFactory,
  extensionFactory,
  type Factories,
  processorFactory,
  receiverFactory,
} from '../../component/factory.ts';
import type { ProfilesConsumer } from '../../consumer/consumer.ts';
import { deferred } from '../deferred.ts';
import { RecordingConsumer } from './recording-consumer.ts';

const schema = z.preprocess(
  (value) => value ?? {},
  z.strictObject({
    /** Fails so when it is created, started, shut down. */
    fail_create: z.string().optional(),
    fail_start: z.string().optional(),
    fail_shutdown: z.string().optional(),
    /** Fails so when one of its name was started before. */
    fail_restart: z.string().optional(),
    /** Never comes back from start or shutdown, whatever its signal says. */
    hang_start: z.boolean().default(false),
    hang_shutdown: z.boolean().default(false),
    /** Of a connector: hands on when `gate` opens. */
    gated: z.boolean().default(false),
    /** Says nothing: to differ, or to name an extension. */
    note: z.string().optional(),
  }),
);
type Config = z.output<typeof schema>;

/**
 * Components of type `fake` (connectors: `join`), of every kind, and exporters of type `swift`, which
 * overlap, that write down what is done with them.
 */
export class FakeDistribution {
  /** `create "fake" exporter`, `start …`, `ready …`, `not ready …`, `shutdown …`, in order. */
  readonly journal: string[] = [];
  /** What each receiver was given to send to, by id. */
  readonly feeds = new Map<string, ProfilesConsumer>();
  /** What each processor was given to send to, by id: of those of several pipelines the last. */
  readonly inner = new Map<string, ProfilesConsumer>();
  readonly gate = deferred();
  /** What each exporter got, by id. */
  readonly sinks = new Map<string, RecordingConsumer>();
  /** The host of each started component, by `"id" kind`. */
  readonly hosts = new Map<string, Host>();

  readonly factories: Factories = {
    receivers: [
      receiverFactory<Config>({
        type: 'fake',
        stability: 'stable',
        schema,
        create: (settings, config, next) => {
          this.feeds.set(settings.id.text, next);
          return this.#component('receiver', settings, config);
        },
      }),
    ],
    processors: [
      processorFactory<Config>({
        type: 'fake',
        aliases: ['fakeold'],
        stability: 'stable',
        place: 'first',
        schema,
        create: (settings, config, next) => {
          this.inner.set(settings.id.text, next);
          return {
            ...this.#component('processor', settings, config),
            consumeProfiles: (batch, signal) => next.consumeProfiles(batch, signal),
          };
        },
      }),
    ],
    exporters: [this.#exporter('fake', false), this.#exporter('swift', true)],
    connectors: [
      connectorFactory<Config>({
        type: 'join',
        stability: 'stable',
        schema,
        create: (settings, config, next) => ({
          ...this.#component('connector', settings, config),
          consumeProfiles: async (batch, signal) => {
            if (config.gated) await this.gate.promise;
            await next.consumeProfiles(batch, signal);
          },
        }),
      }),
    ],
    extensions: [
      extensionFactory<Config>({
        type: 'fake',
        stability: 'stable',
        schema,
        create: (settings, config) => ({
          ...this.#component('extension', settings, config),
          ready: () => void this.journal.push(`ready "${settings.id.text}"`),
          notReady: () => void this.journal.push(`not ready "${settings.id.text}"`),
        }),
      }),
    ],
  };

  #exporter(type: string, overlaps: boolean): ExporterFactory<unknown> {
    return exporterFactory<Config>({
      type,
      overlaps,
      stability: 'alpha',
      schema,
      create: (settings, config) => {
        const sink = new RecordingConsumer();
        this.sinks.set(settings.id.text, sink);
        return {
          ...this.#component('exporter', settings, config),
          consumeProfiles: (batch, signal) => sink.consumeProfiles(batch, signal),
        };
      },
    });
  }

  #component(kind: string, settings: Settings, config: Config): Component {
    const name = `"${settings.id.text}" ${kind}`;
    this.journal.push(`create ${name}`);
    if (config.fail_create !== undefined) throw new Error(config.fail_create);
    return {
      start: async (host) => {
        const isRestart = this.journal.includes(`start ${name}`);
        this.journal.push(`start ${name}`);
        this.hosts.set(name, host);
        if (config.fail_start !== undefined) throw new Error(config.fail_start);
        if (isRestart && config.fail_restart !== undefined) throw new Error(config.fail_restart);
        if (config.hang_start) await forever();
      },
      shutdown: async () => {
        this.journal.push(`shutdown ${name}`);
        if (config.fail_shutdown !== undefined) throw new Error(config.fail_shutdown);
        if (config.hang_shutdown) await forever();
      },
    };
  }
}

function forever(): Promise<void> {
  return new Promise(() => undefined);
}
