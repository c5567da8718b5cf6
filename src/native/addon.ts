// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../internal/package-root.ts';
import type { ProcessEventOptions, ProcessEvents } from './process-changes.ts';

/** What a native call could not do: errno name, the call, and what would help. */
export class NativeError extends Error {
  override readonly name = 'NativeError';
  /** errno name, for example "EPERM", or "" where the failure is not the kernel's. */
  readonly code: string;
  readonly syscall: string;

  constructor(message: string, code = '', syscall = '', options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.syscall = syscall;
  }
}

export type DemangleMode = 'none' | 'simplified' | 'templates' | 'full';

/** One rule of the filter: every field that is given must hold. Patterns know `*` and `?`. */
export interface FilterRule {
  readonly include: boolean;
  readonly pid?: number;
  /** Name of the thread, exact. */
  readonly comm?: string;
  /** Pattern of the path if it has a slash, else of its last part. */
  readonly executable?: string;
  readonly cgroup?: string;
  readonly containerId?: string;
  /** Holds for the processes that `leaveOut` names, whatever the other fields say. */
  readonly chosen?: boolean;
}

/** A function whose calls or returns are events. */
interface ProbeOption {
  readonly kernel: boolean;
  readonly atReturn: boolean;
  /** Path of the binary; "" for the kernel. */
  readonly target: string;
  readonly symbol: string;
}

/** What the profiler is told at construction; see native/addon/addon.cc. */
export interface ProfilerOptions {
  /** `ebpf` profiles the host; `perf` the user's own processes without privileges. */
  readonly mode: 'ebpf' | 'perf';
  readonly samplesPerSecond: number;
  readonly sendIdleFrames: boolean;
  readonly sendErrorFrames: boolean;
  readonly includeEnvVars: readonly string[];
  /** CPUs to sample; empty = all online ones. */
  readonly pinCpuIds: readonly number[];
  /** Managed runtimes whose frames are not looked for, by the names of native/addon/runtimes/registry.cc. */
  readonly disabledRuntimes: readonly string[];
  readonly verifierLogLevel: number;
  readonly noKernelVersionCheck: boolean;
  readonly demangle: DemangleMode;
  /** Functions without a name are called `file+0xstart`; else their locations have no line. */
  readonly groupUnnamedFunctions: boolean;
  readonly bpfObjectDir: string;
  /** Unwind tables in the kernel, evicted by file above this. */
  readonly maxTableBytes: number;
  /** Symbol tables in memory, all files together; the one unused for longest makes room. */
  readonly maxSymbolBytes: number;
  /** Addresses whose names are kept from one collect to the next. */
  readonly nameCacheSize: number;
  /** Where symbol tables are kept between runs, of mode 0700; "" for nowhere. */
  readonly symbolCacheDirectory: string;
  /** Of all files there. */
  readonly symbolCacheBytes: number;
  /** Whether `takeBareFiles` is asked. */
  readonly reportBareFiles: boolean;
  readonly minProcessAgeNs: number;
  /** Doubles the kernel's tables and `maxTableBytes` that many times, 0 to 8. */
  readonly mapScaleFactor: number;
  readonly kernelStacks: boolean;
  readonly userStacks: boolean;
  /** Pids are those of the collector's own pid namespace. */
  readonly pidNamespaceTranslation: boolean;
  /** Share of the context switches to follow, 0 to 1; 0 = none. */
  readonly offCpuProbability: number;
  /** At most 64. */
  readonly filter: readonly FilterRule[];
  /** Lines and inlined functions, evicted by unit above this. */
  readonly maxLineBytes: number;
  /** Bit of each of FRAME_TYPES that stacks keep. */
  readonly frameKinds: number;
  /** Read what processes publish in their OTEL_CTX mapping. */
  readonly processContext: boolean;
  /**
   * The BPF file system below which OpenTelemetry's eBPF instrumentation says for which span a thread works; the map
   * is made where it is missing. "" for samples without spans.
   */
  readonly spanMapRoot: string;
  readonly probes: readonly ProbeOption[];
}

/** One native profiler: two threads of its own, nothing on the event loop. */
export interface NativeProfiler {
  /** Loads and attaches. Throws Error with `code` and `syscall`. */
  start(): void;
  /** The block of everything sampled since the last call. */
  collect(): Promise<ArrayBuffer>;
  /** Stops or goes on with sampling on the CPU; only with eBPF. */
  setSampling(on: boolean): void;
  /** GNU build ids of binaries without DWARF that were met since the last call; with `reportBareFiles` only. */
  takeBareFiles(): string[];
  /** Names and lines of these binaries come from that file from now on, if it has this build id. */
  addDebugFile(buildId: string, path: string): void;
  /** The share of events, 0 to 1, that is sampled at all; only with eBPF. */
  setFraction(fraction: number): void;
  /**
   * Whether what these processes run now is left out, by the rules of the filter that are `chosen`: not what they run
   * next, nor their children. Only with eBPF.
   */
  leaveOut(pids: Int32Array, leaveOut: boolean): void;
  /** Running totals by name. */
  stats(): Record<string, number>;
  stop(): Promise<void>;
}

/** What the addon found out about this host; every field is a fact, `errors` says why one is missing. */
export interface ProbeFacts {
  readonly [name: string]: unknown;
}

/** The frames of addresses, innermost first; what is not known is "" or 0. */
interface SymbolColumns {
  /** Frames of each address; 0 where nothing is known. */
  readonly counts: Uint32Array;
  /** Of each frame: line, column, line where the function is declared. */
  readonly numbers: Uint32Array;
  /** Of each frame: name, the linker's name where it differs, file; each ended by U+0000. */
  readonly texts: string;
}

/** The names of one ELF file, in memory. */
export interface SymbolFile {
  /**
   * Looks addresses up. `mapping`: memory start, limit and file offset as a profile tells them; addresses are
   * ELF's or the process's, which it finds out.
   */
  lookup(addresses: BigUint64Array, mapping: BigUint64Array): SymbolColumns;
  readonly sizeBytes: number;
}

/** What the profiler needs of the addon. */
export interface ProfilerAddon {
  probe(): ProbeFacts;
  readonly Profiler: new (options: ProfilerOptions) => NativeProfiler;
}

export interface NativeAddon extends ProfilerAddon {
  /**
   * Reads and indexes a file off the event loop. Undefined where none of its build ids (GNU, Go, htlhash) is
   * `buildId`; rejects where it cannot be read.
   */
  openSymbolFile(path: string, buildId: string, demangle: DemangleMode): Promise<SymbolFile | undefined>;
  /** C++ and Rust names of a linker as the mode shows them; others as they are. */
  demangle(names: readonly string[], mode: DemangleMode): string[];
  /** See `openProcessEvents` of process-events.ts. */
  openProcessEvents(options: ProcessEventOptions, ready: () => void): Promise<ProcessEvents>;
}

let loaded: NativeAddon | undefined;

/** Where the eBPF objects are. */
export function bpfObjectDir(): string {
  return join(packageRoot(), 'build', 'bpf');
}

/** Loads the addon once. Throws NativeError that says how to build it where it is missing. */
export function loadAddon(): NativeAddon {
  if (loaded !== undefined) return loaded;
  const path = join(packageRoot(), 'build', 'otelcol_profiles.node');
  if (!existsSync(path)) {
    throw new NativeError('the native addon is not built: run "npm run setup"');
  }
  try {
    const module: unknown = createRequire(import.meta.url)(path);
    if (!isAddon(module))
      throw new NativeError('the native addon is of another version: run "npm run setup"');
    loaded = module;
    return module;
  } catch (cause) {
    if (cause instanceof NativeError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new NativeError(`the native addon cannot be loaded: ${reason}: run "npm run setup"`, '', 'dlopen', {
      cause,
    });
  }
}

function isAddon(module: unknown): module is NativeAddon {
  return (
    typeof module === 'object' &&
    module !== null &&
    'probe' in module &&
    'Profiler' in module &&
    'openSymbolFile' in module &&
    'demangle' in module &&
    'openProcessEvents' in module
  );
}
