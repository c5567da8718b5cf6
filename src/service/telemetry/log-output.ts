// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, writeSync } from 'node:fs';

export interface LogOutput {
  write(line: string): void;
  close(): void;
}

const toStderr = (line: string): void => void process.stderr.write(line);

/**
 * Opens "stderr", "stdout" and files (appended to). What cannot be written goes to `errorPaths`. Throws Error
 * that names the path it cannot open.
 */
export function openLogOutput(
  paths: readonly string[],
  errorPaths: readonly string[] = ['stderr'],
): LogOutput {
  const files: number[] = [];
  try {
    return openAll(paths, errorPaths, files);
  } catch (error) {
    for (const file of files) closeSync(file);
    throw error;
  }
}

function openAll(paths: readonly string[], errorPaths: readonly string[], files: number[]): LogOutput {
  const onErrors = errorPaths.map((path) => writerFor(path, 'error_output_paths', files, toStderr));
  const onError = (line: string): void => onErrors.forEach((write) => write(line));
  const writers = paths.map((path) => writerFor(path, 'output_paths', files, onError));
  return {
    write: (line) => writers.forEach((write) => write(line)),
    close: () => files.splice(0).forEach((file) => closeSync(file)),
  };
}

function writerFor(
  path: string,
  key: string,
  files: number[],
  onError: (line: string) => void,
): (line: string) => void {
  if (path === 'stderr') return toStderr;
  if (path === 'stdout') return (line) => void process.stdout.write(line);
  const file = open(path, key);
  files.push(file);
  return (line) => {
    try {
      // A closed descriptor's number may by now be somebody else's file.
      writeSync(files.includes(file) ? file : process.stderr.fd, line);
    } catch {
      onError(line);
    }
  };
}

function open(path: string, key: string): number {
  try {
    return openSync(path, 'a', 0o640);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`service::telemetry::logs::${key}: cannot open "${path}": ${why}`, { cause });
  }
}
