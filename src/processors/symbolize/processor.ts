// SPDX-License-Identifier: Apache-2.0
import type { Processor, Settings } from '../../component/component.ts';
import type { ProfilesConsumer } from '../../consumer/consumer.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { Debuginfod } from '../../internal/debuginfod.ts';
import { loadAddon, type NativeAddon } from '../../native/addon.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import type { Config } from './config.ts';
import { SymbolStore } from './symbol-store.ts';
import { symbolize } from './symbolize.ts';

const MIB = 1024 * 1024;

/** Names the locations that other agents left bare. */
export function createSymbolizeProcessor(
  settings: Settings,
  config: Config,
  next: ProfilesConsumer,
  {
    clock = systemClock,
    addon = loadAddon,
  }: { clock?: Clock; addon?: () => Pick<NativeAddon, 'openSymbolFile'> } = {},
): Processor {
  const { meter, logger } = settings;
  const stopping = new AbortController();
  const locations = meter.counter('processor_symbolize_locations', 'Locations that came without a name', [
    'outcome',
  ]);
  const downloads = meter.counter(
    'processor_symbolize_downloads',
    'Files wanted of debuginfod servers, by where they came from',
    ['outcome'],
  );
  const errors = meter.counter(
    'processor_symbolize_file_errors',
    'Files that could not be read or downloaded',
  );
  const onError = (error: unknown): void => {
    errors.add(1);
    logger.warn('symbol file cannot be used', { error });
  };
  const { urls, cache_directory: directory, max_cache_mib, max_file_mib, timeout } = config.debuginfod;
  const server =
    urls.length === 0 || directory === undefined
      ? undefined
      : new Debuginfod({
          urls,
          directory,
          maxCacheBytes: max_cache_mib * MIB,
          maxFileBytes: max_file_mib * MIB,
          timeoutMs: timeout,
          signal: stopping.signal,
          onDownload: (outcome) => downloads.add(1, { outcome }),
          onError,
        });
  const store = new SymbolStore({
    directories: config.directories,
    useLocalFiles: config.local_files,
    demangle: config.demangle,
    maxBytes: config.max_memory_mib * MIB,
    retryMs: config.retry_interval,
    clock,
    open: (path, buildId, demangle) => addon().openSymbolFile(path, buildId, demangle),
    ...(server !== undefined && { download: (identity) => server.download(identity.buildId) }),
    onError,
  });
  meter.observe('gauge', 'processor_symbolize_symbol_bytes', 'Memory of symbols', [], () => [
    { value: store.bytes },
  ]);
  meter.observe('gauge', 'processor_symbolize_symbol_files', 'Files whose symbols are in memory', [], () => [
    { value: store.size },
  ]);
  meter.observe('counter', 'processor_symbolize_evicted_files', 'Files that made room for others', [], () => [
    { value: store.evicted },
  ]);
  const find = store.find.bind(store);
  return {
    // Without the addon nothing could be named: that is said now, not with every batch.
    start: async () => void addon(),
    shutdown: async () => stopping.abort(new Error('the processor is shut down')),
    async consumeProfiles(batch: ProfilesBatch, signal: AbortSignal) {
      const named = await symbolize(batch, find, (outcome, count) => {
        if (count > 0) locations.add(count, { outcome });
      });
      await next.consumeProfiles(named, signal);
    },
  };
}
