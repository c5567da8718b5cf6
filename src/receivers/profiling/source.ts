// SPDX-License-Identifier: Apache-2.0
import {
  bpfObjectDir,
  loadAddon,
  NativeError,
  type ProfilerAddon,
  type NativeProfiler,
  type ProfilerOptions,
} from '../../native/addon.ts';
import { readProfileBlock } from '../../native/profile-block.ts';
import type { ProfilesBatch, Scope } from '../../pdata/profiles-batch.ts';
import { assembleBatch } from './assembler.ts';
import { type Config, envVarNames } from './config.ts';
import { parseCpuList } from './cpu-list.ts';
import { SelfProfiler } from './self-profile.ts';

export type SourceMode = 'ebpf' | 'perf' | 'self';

/** Where samples come from once something could be started. */
export interface ProfileSource {
  readonly mode: SourceMode;
  /** Everything sampled since the last call; undefined where there was nothing. */
  collect(): Promise<ProfilesBatch | undefined>;
  /** Running totals by name. */
  stats(): Record<string, number>;
  stop(): Promise<void>;
}

/** Why a way of profiling could not be taken. */
interface Refusal {
  readonly mode: SourceMode;
  readonly error: Error;
}

export interface OpenedSource {
  readonly source: ProfileSource;
  /** What was tried before, and failed. */
  readonly refused: readonly Refusal[];
}

/** Unwind tables in the kernel, all files together. */
const MAX_TABLE_BYTES = 64 << 20;

/**
 * Starts profiling the best way this host allows: eBPF for the whole host; with `fallBack`, where that
 * is refused, perf events on this user's processes, and where those are refused too, this process
 * alone. Without `fallBack` the first refusal is thrown.
 */
export async function openSource(
  config: Config,
  scope: Scope,
  fallBack: boolean,
  load: () => ProfilerAddon = loadAddon,
): Promise<OpenedSource> {
  const refused: Refusal[] = [];
  for (const mode of ['ebpf', 'perf'] as const) {
    try {
      return { source: openNative(load(), mode, config, scope), refused };
    } catch (cause) {
      const error = asNativeError(cause, mode);
      if (!fallBack) throw error;
      refused.push({ mode, error });
    }
  }
  return { source: await openSelf(config, scope), refused };
}

function asNativeError(cause: unknown, mode: SourceMode): Error {
  if (cause instanceof NativeError) return cause;
  const what = mode === 'ebpf' ? 'the eBPF profiler cannot start' : 'perf events cannot be opened';
  const fields =
    cause instanceof Error
      ? { code: textOf(cause, 'code'), syscall: textOf(cause, 'syscall') }
      : { code: '', syscall: '' };
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new NativeError(`${what}: ${reason}`, fields.code, fields.syscall, { cause });
}

function textOf(error: Error, key: 'code' | 'syscall'): string {
  const value: unknown = Reflect.get(error, key);
  return typeof value === 'string' ? value : '';
}

function openNative(
  addon: ProfilerAddon,
  mode: 'ebpf' | 'perf',
  config: Config,
  scope: Scope,
): ProfileSource {
  const options: ProfilerOptions = {
    mode,
    samplesPerSecond: config.samples_per_second,
    sendIdleFrames: config.send_idle_frames,
    sendErrorFrames: config.send_error_frames,
    includeEnvVars: envVarNames(config.include_env_vars),
    pinCpuIds: parseCpuList(config.pin_cpu_ids),
    verifierLogLevel: config.bpf_verifier_log_level,
    noKernelVersionCheck: config.no_kernel_version_check,
    demangle: 'full',
    bpfObjectDir: bpfObjectDir(),
    maxTableBytes: MAX_TABLE_BYTES,
  };
  const profiler: NativeProfiler = new addon.Profiler(options);
  profiler.start();
  return {
    mode,
    async collect() {
      const block = readProfileBlock(await profiler.collect());
      return assembleBatch(block, { samplesPerSecond: config.samples_per_second, scope });
    },
    stats: () => profiler.stats(),
    stop: () => profiler.stop(),
  };
}

async function openSelf(config: Config, scope: Scope): Promise<ProfileSource> {
  const self = new SelfProfiler(config.samples_per_second, scope);
  await self.start();
  return {
    mode: 'self',
    collect: () => self.collect(),
    stats: () => ({}),
    async stop() {
      self.stop();
    },
  };
}
