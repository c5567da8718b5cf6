// SPDX-License-Identifier: Apache-2.0
import type { LogFields, Logger } from '../../component/telemetry.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { type Encode, encodeConsole, encodeJson, type Entry, type Level } from './log-encoding.ts';
import { LogSampler, type Sampling } from './log-sampler.ts';

export interface LoggerOptions {
  readonly level: Level | 'dpanic' | 'panic' | 'fatal';
  readonly encoding: 'console' | 'json';
  readonly sampling: Sampling;
  readonly fields: LogFields;
  /** Gets whole lines. */
  readonly write: (line: string) => void;
  /** Gets every entry that is written, too, unless it came through `local`. */
  readonly onEntry?: (entry: Entry) => void;
  /** Told of each entry that sampling held back. */
  readonly onHeldBack?: () => void;
  readonly clock?: Clock;
}

const SEVERITY: Readonly<Record<string, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
/** Above everything that is ever logged. */
const SILENT = 4;

/** A logger whose form can be changed under all the loggers that were made of it. */
export interface RootLogger extends Logger {
  /** Writes as the others do, and `onEntry` hears nothing of it: for what that itself has to say. */
  readonly local: Logger;
  configure(options: LoggerOptions): void;
}

/** The collector's own log: one line an entry, written before the call returns. */
export function createLogger(options: LoggerOptions): RootLogger {
  const form: { current: Form } = { current: formOf(options) };
  const logger = new LineLogger(form, {});
  return Object.assign(logger, {
    local: new LineLogger(form, {}, true),
    configure(next: LoggerOptions): void {
      form.current = formOf(next);
    },
  });
}

/** How entries are written now. */
interface Form {
  readonly options: LoggerOptions;
  readonly sampler: LogSampler;
  readonly encode: Encode;
  readonly threshold: number;
}

const formOf = (options: LoggerOptions): Form => ({
  options,
  sampler: new LogSampler(options.sampling, options.onHeldBack),
  encode: options.encoding === 'json' ? encodeJson : encodeConsole,
  threshold: SEVERITY[options.level] ?? SILENT,
});

class LineLogger implements Logger {
  readonly #form: { readonly current: Form };
  readonly #fields: LogFields;
  readonly #isLocal: boolean;

  constructor(form: { readonly current: Form }, fields: LogFields, isLocal = false) {
    this.#form = form;
    this.#fields = fields;
    this.#isLocal = isLocal;
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
    return new LineLogger(this.#form, { ...this.#fields, ...fields }, this.#isLocal);
  }

  #log(level: Level, message: string, fields: LogFields = {}): void {
    const { options, sampler, encode, threshold } = this.#form.current;
    if ((SEVERITY[level] ?? SILENT) < threshold) return;
    const timeMs = (options.clock ?? systemClock).now();
    const component = this.#fields['otelcol.component.id'];
    const kind = `${level} ${typeof component === 'string' ? component : ''} ${message}`;
    const heldBack = sampler.pass(kind, timeMs);
    if (heldBack === undefined) return;
    const repeats = heldBack > 0 ? { repeats_held_back: heldBack } : {};
    const stack = threshold === 0 ? stackOf(fields) : {};
    const all = { ...options.fields, ...this.#fields, ...fields, ...stack, ...repeats };
    const entry = { timeMs, level, message, fields: all };
    options.write(encode(entry));
    if (!this.#isLocal) options.onEntry?.(entry);
  }
}

/** Stacks are for whoever asked for debug output; a user wants the message. */
function stackOf({ error }: LogFields): LogFields {
  return error instanceof Error ? { stacktrace: error.stack } : {};
}
