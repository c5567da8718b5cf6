// SPDX-License-Identifier: Apache-2.0
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bpfObjectDir, loadAddon, type ProfilerAddon } from '../../src/native/addon.ts';

const TYPED = 'tp_btf/sched_switch';
/** Of the same length, and no tracepoint of any kernel. */
const NOWHERE = 'tp_btf/sched_nosuch';

/**
 * The addon with eBPF objects whose typed tracepoint no kernel has: what follows threads off the CPU then attaches to
 * the raw one.
 */
export function withoutTypedTracepoints(): ProfilerAddon {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-raw-'));
  cpSync(bpfObjectDir(), dir, { recursive: true });
  const path = join(dir, 'offcpu.bpf.o');
  const bytes = readFileSync(path);
  let changed = 0;
  for (let at = bytes.indexOf(TYPED); at >= 0; at = bytes.indexOf(TYPED, at + 1)) {
    bytes.write(NOWHERE, at, 'latin1');
    changed++;
  }
  if (changed === 0) throw new Error(`"${TYPED}" is not in ${path}`);
  writeFileSync(path, bytes);
  const addon = loadAddon();
  return {
    probe: () => addon.probe(),
    Profiler: class extends addon.Profiler {
      constructor(options: ConstructorParameters<ProfilerAddon['Profiler']>[0]) {
        super({ ...options, bpfObjectDir: dir });
      }
    },
  };
}
