// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { packageRoot } from '../../src/internal/package-root.ts';

/** A request captured from a real producer. */
export interface CapturedRequest {
  readonly name: string;
  readonly bytes: Buffer;
  /** The wire revision by field numbers. */
  readonly revision: '1.8' | '1.10';
}

const OWN = join(packageRoot(), 'test', 'golden', 'otlp', 'own-profiler.otlp.gz');
const FOLDER = join(packageRoot(), '..', 'shared', 'data', 'otlp');

/**
 * Our own profiler's request, and those that lie beside the repository where they are there. Sources of these:
 * Grafana Pyroscope's integration tests and open-telemetry/sig-profiling's otlp-bench.
 */
export function capturedRequests(): CapturedRequest[] {
  const own = { name: 'own-profiler', bytes: gunzipSync(readFileSync(OWN)), revision: '1.10' as const };
  if (!existsSync(FOLDER)) return [own];
  const file = (name: string): Buffer => readFileSync(join(FOLDER, name));
  return [
    own,
    { name: 'pyroscope-ebpf', bytes: file('pyroscope-ebpf-v1.10.bin'), revision: '1.10' },
    { name: 'sig-profile', bytes: file('sig-profile-v1.9.otlp'), revision: '1.8' },
    ...split(file('sig-k8s-v1.9.length-prefixed.otlp')).map((bytes, i) => ({
      name: `sig-k8s ${i}`,
      bytes,
      revision: '1.8' as const,
    })),
  ];
}

/** Messages behind four bytes of big-endian length each. */
function split(bytes: Buffer): Buffer[] {
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    out.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return out;
}
