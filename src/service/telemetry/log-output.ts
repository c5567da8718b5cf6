// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, writeSync } from 'node:fs';

export interface LogOutput {
  write(line: string): void;
  close(): void;
}

/** Opens "stderr", "stdout" and files (appended to). Throws Error that names the path it cannot open. */
export function openLogOutput(paths: readonly string[]): LogOutput {
  const files: number[] = [];
  const writers = paths.map((path) => writerFor(path, files));
  return {
    write: (line) => writers.forEach((write) => write(line)),
    close: () => files.splice(0).forEach((file) => closeSync(file)),
  };
}

function writerFor(path: string, files: number[]): (line: string) => void {
  if (path === 'stderr') return (line) => void process.stderr.write(line);
  if (path === 'stdout') return (line) => void process.stdout.write(line);
  const file = open(path);
  files.push(file);
  return (line) => {
    try {
      // A closed descriptor's number may by now be somebody else's file.
      writeSync(files.includes(file) ? file : process.stderr.fd, line);
    } catch {
      process.stderr.write(line);
    }
  };
}

function open(path: string): number {
  try {
    return openSync(path, 'a', 0o640);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`service::telemetry::logs::output_paths: cannot open "${path}": ${why}`, { cause });
  }
}
