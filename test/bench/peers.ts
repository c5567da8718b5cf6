// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';
import { packageRoot } from '../../src/internal/package-root.ts';
import { findGo } from '../go.ts';
import { CACHE } from './payloads.ts';

const SERVICE = 'opentelemetry/proto/collector/profiles/v1development/profiles_service.proto';
const require = createRequire(import.meta.url);

/** A program to start, or why there is none. */
export type Peer =
  | { readonly command: string; readonly args: readonly string[] }
  | { readonly missing: string };

/** Bundles a program of test/bench, since plain node cannot read TypeScript and tsx would cost it memory. */
export async function nodeProgram(entry: string): Promise<string> {
  const outfile = join(CACHE, `${entry.replaceAll('/', '-').replace(/\.ts$/, '')}.mjs`);
  await build({
    entryPoints: [join(packageRoot(), 'test', 'bench', entry)],
    outfile,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    logLevel: 'warning',
  });
  return outfile;
}

/** A peer on protobufjs's static code; missing where protobufjs-cli is not installed. */
export async function protobufjsProgram(entry: string): Promise<Peer> {
  const generated = join(CACHE, 'otlp-static.mjs');
  if (!existsSync(generated)) {
    if (!isInstalled('protobufjs-cli')) return { missing: 'not run: no protobufjs-cli' };
    const pbjs = join(packageRoot(), 'node_modules', 'protobufjs-cli', 'bin', 'pbjs');
    mkdirSync(CACHE, { recursive: true });
    execFileSync(process.execPath, [
      pbjs,
      ...['--target', 'static-module', '--wrap', 'es6', '--dependency', 'protobufjs/minimal.js'],
      ...['--no-create', '--no-verify', '--no-convert', '--no-delimited', '--no-comments'],
      ...['--path', join(packageRoot(), 'proto'), '--out', generated, SERVICE],
    ]);
  }
  return { command: process.execPath, args: [await nodeProgram(entry), generated] };
}

/** The peer on pprof-format; missing where that is not installed. */
export async function pprofFormatProgram(entry: string): Promise<Peer> {
  if (!isInstalled('pprof-format')) return { missing: 'not run: no pprof-format' };
  return { command: process.execPath, args: [await nodeProgram(entry)] };
}

/** The Go peer, built with the modules that its go.sum pins; missing where there is no Go or no module. */
export function goProgram(...args: readonly string[]): Peer {
  const go = findGo();
  if (go === undefined) return { missing: 'not run: no Go that is new enough' };
  const binary = join(CACHE, 'go-peer');
  mkdirSync(CACHE, { recursive: true });
  try {
    execFileSync(go, ['build', '-o', binary, '.'], {
      cwd: join(packageRoot(), 'test', 'bench', 'peers', 'go'),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  } catch (error) {
    return { missing: `not run: ${String(error).split('\n')[0] ?? ''}` };
  }
  return { command: binary, args };
}

/** Versions of what was measured against, a line each. */
export function peerVersions(go: Peer): string[] {
  const node = ['@grpc/grpc-js', 'protobufjs', 'pprof-format'].map((name) => `${name} ${versionOf(name)}`);
  if ('missing' in go) return node;
  const wanted =
    /^(go |go\.opentelemetry\.io\/collector\/pdata|google\.golang\.org\/grpc |github\.com\/google)/;
  return [
    ...node,
    ...execFileSync(go.command, ['versions'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => wanted.test(line)),
  ];
}

function versionOf(name: string): string {
  if (!isInstalled(name)) return 'not installed';
  const found: unknown = require(manifestOf(name));
  return typeof found === 'object' && found !== null ? String(Reflect.get(found, 'version')) : 'unknown';
}

const manifestOf = (name: string): string => join(packageRoot(), 'node_modules', name, 'package.json');
const isInstalled = (name: string): boolean => existsSync(manifestOf(name));
