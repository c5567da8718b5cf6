// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import { createSecureContext, type SecureContext, type TlsOptions } from 'node:tls';
import type { Logger } from '../../component/telemetry.ts';
import { type Clock, repeat, systemClock, type Timer } from '../../internal/clock.ts';
import { loadTlsMaterial, type TlsMaterial } from './tls-material.ts';
import type { TlsClientConfig, TlsServerConfig } from './tls.ts';

type Log = Pick<Logger, 'info' | 'warn'>;

/** How soon a new `client_ca_file` counts where only `client_ca_file_reload` is set. */
const CLIENT_CA_CHECK_MS = 1_000;

interface Loaded {
  readonly material: TlsMaterial;
  readonly context: SecureContext;
}

/**
 * The certificates of one TLS section, which may change while they are in use. What cannot be loaded again, a
 * certificate without its key for example while both are being replaced, leaves what was there.
 */
class TlsSource {
  readonly #config: TlsClientConfig | TlsServerConfig;
  readonly #log: Log;
  #loaded: Loaded;
  #loading: Promise<boolean> | undefined;
  #isTold = false;

  private constructor(config: TlsClientConfig | TlsServerConfig, log: Log, loaded: Loaded) {
    this.#config = config;
    this.#log = log;
    this.#loaded = loaded;
  }

  static async open(config: TlsClientConfig | TlsServerConfig, log: Log): Promise<TlsSource> {
    return new TlsSource(config, log, await load(config, log));
  }

  get loaded(): Loaded {
    return this.#loaded;
  }

  /** True where something else is there than before; never rejects. */
  reload(): Promise<boolean> {
    this.#loading ??= this.#reload().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  async #reload(): Promise<boolean> {
    try {
      const material = await loadTlsMaterial(this.#config);
      if (isDeepStrictEqual(material, this.#loaded.material)) {
        this.#isTold = false;
        return false;
      }
      this.#loaded = { material, context: contextOf(material) };
      this.#isTold = false;
      this.#log.info('TLS certificates were loaded again', { cert_file: this.#config.cert_file });
      return true;
    } catch (error) {
      if (!this.#isTold)
        this.#log.warn('TLS certificates cannot be loaded again; those of before stay in use', { error });
      this.#isTold = true;
      return false;
    }
  }
}

async function load(config: TlsClientConfig | TlsServerConfig, log: Log): Promise<Loaded> {
  const material = await loadTlsMaterial(config, (message, fields) => log.warn(message, fields));
  return { material, context: contextOf(material) };
}

function contextOf(material: TlsMaterial): SecureContext {
  try {
    return createSecureContext(material);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`certificates and keys cannot be used: ${why}`, { cause });
  }
}

/** What a client connects with, in the terms of node:tls. */
export interface ClientTls {
  readonly secureContext: SecureContext;
  readonly rejectUnauthorized: boolean;
  /** The name that the server must prove, in place of the target's. */
  readonly servername?: string;
}

/**
 * What a client connects with. The options are the same object until certificates have changed, which is
 * looked for when a request comes, `reload_interval` after the last look at the soonest. Rejects where they
 * cannot be loaded in the first place.
 */
export async function openClientTls(
  config: TlsClientConfig,
  log: Log,
  clock: Clock = systemClock,
): Promise<() => Promise<ClientTls>> {
  const source = await TlsSource.open(config, log);
  const { insecure_skip_verify, server_name_override: servername = '' } = config;
  const optionsOf = ({ context }: Loaded): ClientTls => ({
    secureContext: context,
    rejectUnauthorized: !insecure_skip_verify,
    ...(servername !== '' && { servername }),
  });
  let options = optionsOf(source.loaded);
  let checkedAt = clock.now();
  const intervalMs = config.reload_interval ?? 0;
  return async () => {
    if (intervalMs === 0 || Math.abs(clock.now() - checkedAt) < intervalMs) return options;
    checkedAt = clock.now();
    if (await source.reload()) options = optionsOf(source.loaded);
    return options;
  };
}

/** What a server is made of, to spread into its options. */
export interface ServerTls {
  readonly tls: TlsOptions;
  /** Hands over what counts for new connections whenever certificates have changed, until it is cancelled. */
  readonly watchTls?: (apply: (options: TlsOptions) => void) => Timer;
}

/** Nothing where the section is absent. Rejects where certificates cannot be loaded. */
export async function openServerTls(
  config: TlsServerConfig | null | undefined,
  log: Log,
  clock: Clock = systemClock,
): Promise<ServerTls | undefined> {
  if (config === null || config === undefined) return undefined;
  const source = await TlsSource.open(config, log);
  const demandsCertificate = (config.client_ca_file ?? '') !== '';
  const optionsOf = ({ material }: Loaded): TlsOptions => ({
    ...material,
    requestCert: demandsCertificate,
    rejectUnauthorized: demandsCertificate,
  });
  const tls = optionsOf(source.loaded);
  const isCaWatched = demandsCertificate && config.client_ca_file_reload;
  const intervalMs = (config.reload_interval ?? 0) || (isCaWatched ? CLIENT_CA_CHECK_MS : 0);
  if (intervalMs === 0) return { tls };
  const watchTls = (apply: (options: TlsOptions) => void): Timer =>
    repeat(clock, intervalMs, () => {
      void source.reload().then((hasChanged) => {
        if (hasChanged) apply(optionsOf(source.loaded));
      });
    });
  return { tls, watchTls };
}
