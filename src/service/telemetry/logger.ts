// SPDX-License-Identifier: Apache-2.0
import type { LogFields, Logger } from '../../component/telemetry.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { type Encode, encodeConsole, encodeJson, type Level } from './log-encoding.ts';
import { LogSampler, type Sampling } from './log-sampler.ts';

export interface LoggerOptions {
  readonly level: Level | 'dpanic' | 'panic' | 'fatal';
  readonly encoding: 'console' | 'json';
  readonly sampling: Sampling;
  readonly fields: LogFields;
  /** Gets whole lines. */
  readonly write: (line: string) => void;
  /** Told of each entry that sampling held back. */
  readonly onHeldBack?: () => void;
  readonly clock?: Clock;
}

const SEVERITY: Readonly<Record<string, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
/** Above everything that is ever logged. */
const SILENT = 4;

/** The collector's own log: one line an entry, written before the call returns. */
export function createLogger(options: LoggerOptions): Logger {
  const sampler = new LogSampler(options.sampling, options.onHeldBack);
  return new LineLogger(
    options,
    sampler,
    options.encoding === 'json' ? encodeJson : encodeConsole,
    options.fields,
  );
}

class LineLogger implements Logger {
  readonly #options: LoggerOptions;
  readonly #sampler: LogSampler;
  readonly #encode: Encode;
  readonly #fields: LogFields;
  readonly #threshold: number;

  constructor(options: LoggerOptions, sampler: LogSampler, encode: Encode, fields: LogFields) {
    this.#options = options;
    this.#sampler = sampler;
    this.#encode = encode;
    this.#fields = fields;
    this.#threshold = SEVERITY[options.level] ?? SILENT;
  }

  debug(message: string, fields?: LogFields): void {
    this.#log('debug', message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#log('info', message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#log('warn', message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#log('error', message, fields);
  }

  with(fields: LogFields): Logger {
    return new LineLogger(this.#options, this.#sampler, this.#encode, { ...this.#fields, ...fields });
  }

  #log(level: Level, message: string, fields: LogFields = {}): void {
    if ((SEVERITY[level] ?? SILENT) < this.#threshold) return;
    const timeMs = (this.#options.clock ?? systemClock).now();
    const component = this.#fields['otelcol.component.id'];
    const kind = `${level} ${typeof component === 'string' ? component : ''} ${message}`;
    const heldBack = this.#sampler.pass(kind, timeMs);
    if (heldBack === undefined) return;
    const repeats = heldBack > 0 ? { repeats_held_back: heldBack } : {};
    const all = { ...this.#fields, ...fields, ...this.#stack(fields), ...repeats };
    this.#options.write(this.#encode({ timeMs, level, message, fields: all }));
  }

  /** Stacks are for whoever asked for debug output; a user wants the message. */
  #stack(fields: LogFields): LogFields {
    const { error } = fields;
    return this.#threshold === 0 && error instanceof Error ? { stacktrace: error.stack } : {};
  }
}
