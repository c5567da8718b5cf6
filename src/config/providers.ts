// SPDX-License-Identifier: Apache-2.0
import { createReadStream } from 'node:fs';
import { basicCredentials } from '../internal/url-credentials.ts';
import { withoutPassword } from '../internal/url-password.ts';

/** Text that a location gave. `file` names it in messages; `inline` texts have no file of their own. */
export interface Retrieved {
  readonly text: string;
  readonly file: string;
  readonly inline: boolean;
  /** What is not wrong but may surprise. */
  readonly warning?: string;
}

/** Fetches what stands behind `scheme:`; rejects with an Error that says why it cannot. */
type Provider = (opaque: string) => Promise<Retrieved>;

/** Providers by scheme. */
export type Providers = ReadonlyMap<string, Provider>;

const MAX_BYTES = 10 * 1024 * 1024;
const HTTP_TIMEOUT_MS = 10_000;
const ENV_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Schemes of the providers that `createProviders` makes. */
export const PROVIDER_SCHEMES = ['file', 'env', 'yaml', 'http', 'https'] as const;

/** Values of environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The providers of this distribution; `get` stands in for the network. */
export function createProviders(environment: Environment, get: typeof fetch = fetch): Providers {
  return new Map<(typeof PROVIDER_SCHEMES)[number], Provider>([
    ['file', readFileLocation],
    ['env', async (opaque) => readVariable(opaque, environment)],
    ['yaml', async (text) => ({ text, file: 'yaml:', inline: true })],
    ['http', (opaque) => download(`http:${opaque}`, get)],
    ['https', (opaque) => download(`https:${opaque}`, get)],
  ]);
}

async function readFileLocation(path: string): Promise<Retrieved> {
  try {
    return { text: await readText(createReadStream(path)), file: path, inline: false };
  } catch (error) {
    throw new Error(`unable to read the file ${path}: ${reason(error)}`, { cause: error });
  }
}

/** `NAME` or `NAME:-default`; the default counts only where the variable is unset. */
function readVariable(opaque: string, environment: Environment): Retrieved {
  const at = opaque.indexOf(':-');
  const name = at < 0 ? opaque : opaque.slice(0, at);
  const fallback = at < 0 ? undefined : opaque.slice(at + 2);
  if (!ENV_NAME.test(name)) {
    throw new Error(`environment variable "${name}" has invalid name: must match regex ${ENV_NAME.source}`);
  }
  const value = environment[name];
  const retrieved = { text: value ?? fallback ?? '', file: `env:${name}`, inline: true };
  if (value !== undefined || fallback !== undefined) return retrieved;
  const warning = `environment variable "${name}" is not set and has no default (write \${env:${name}:-default})`;
  return { ...retrieved, warning };
}

async function download(url: string, get: typeof fetch): Promise<Retrieved> {
  const shown = withoutPassword(url);
  try {
    const { address, headers } = withCredentials(url);
    const response = await get(address, { headers, signal: AbortSignal.timeout(HTTP_TIMEOUT_MS) });
    if (url.startsWith('https:') && !response.url.startsWith('https:')) {
      await response.body?.cancel();
      throw new Error(`was redirected to ${response.url}, which is not protected by TLS`);
    }
    if (response.status !== 200 || response.body === null) {
      await response.body?.cancel();
      throw new Error(`expected status 200, got ${response.status}`);
    }
    return { text: await readText(response.body), file: shown, inline: false };
  } catch (error) {
    throw new Error(`unable to fetch ${shown}: ${reason(error)}`, { cause: error });
  }
}

/** User and password of an address as a header, as Go's client sends them; fetch refuses an address with them. */
function withCredentials(url: string): {
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
} {
  const address = new URL(url);
  const authorization = basicCredentials(address);
  if (authorization === undefined) return { address: url, headers: {} };
  address.username = '';
  address.password = '';
  return { address: address.href, headers: { authorization } };
}

async function readText(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error(`is larger than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (error) {
    throw new Error('is not valid UTF-8', { cause: error });
  }
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer within ${HTTP_TIMEOUT_MS} ms`;
  // Node writes "ENOENT: no such file or directory, open 'x'"; the file is named already.
  const system = /^E[A-Z]+: ([^,]+), /.exec(error.message)?.[1];
  if (system !== undefined) return system;
  // Node's fetch says only "fetch failed"; what failed is in its cause.
  return error.message === 'fetch failed' && error.cause instanceof Error
    ? error.cause.message
    : error.message;
}
