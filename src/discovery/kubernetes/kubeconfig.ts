// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import {
  type ApiConnection,
  type ConnectionTls,
  fileToken,
  fixedToken,
  messageOf,
  type TokenSource,
} from './connection.ts';
import { asObject, type JsonObject, listAt, objectAt, textAt } from './json.ts';

const MAX_FILE_BYTES = 4 * 1024 * 1024;

export interface KubeconfigOptions {
  /** The file; empty: the first of $KUBECONFIG, else ~/.kube/config. */
  readonly path: string;
  /** Name of the context; empty: the file's current-context. */
  readonly context: string;
}

/**
 * The API server of a kubeconfig file. Tokens, token files, client certificates, certificate authorities
 * and insecure-skip-tls-verify are understood; rejects with an Error that names what is not.
 */
export async function kubeconfigConnection(
  options: KubeconfigOptions,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<ApiConnection> {
  const path = options.path || firstOf(env.KUBECONFIG) || `${homedir()}/.kube/config`;
  const file = await readKubeconfig(path);
  const contextName = options.context || textAt(file, 'current-context');
  if (contextName === '')
    throw new Error(`kubeconfig "${path}" has no current-context; name one with "context"`);
  const context = objectAt(named(file, 'contexts', contextName, path), 'context');
  const cluster = objectAt(named(file, 'clusters', textAt(context, 'cluster'), path), 'cluster');
  const userName = textAt(context, 'user');
  const user = userName === '' ? {} : objectAt(named(file, 'users', userName, path), 'user');

  const server = textAt(cluster, 'server');
  if (!/^https?:\/\//.test(server)) {
    throw new Error(`kubeconfig "${path}": server "${server}" is no http or https URL`);
  }
  if (textAt(cluster, 'proxy-url') !== '') {
    throw new Error(
      `kubeconfig "${path}": proxy-url is not available; name a server that is reached directly`,
    );
  }
  refusePlugins(user, userName, path);
  const directory = dirname(resolve(path));
  return {
    baseUrl: server.replace(/\/+$/, ''),
    tls: await readTls(cluster, user, directory),
    token: readToken(user, directory),
  };
}

function firstOf(list: string | undefined): string {
  return (list ?? '').split(delimiter).find((entry) => entry !== '') ?? '';
}

async function readKubeconfig(path: string): Promise<JsonObject> {
  try {
    const text = await readFile(path, 'utf8');
    if (text.length > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES} bytes`);
    return asObject(parse(text, { maxAliasCount: 100 }));
  } catch (cause) {
    throw new Error(`cannot read kubeconfig "${path}": ${messageOf(cause)}`, { cause });
  }
}

function named(file: JsonObject, list: string, name: string, path: string): JsonObject {
  const entries = listAt(file, list);
  const found = entries.find((entry) => textAt(entry, 'name') === name);
  if (found !== undefined) return found;
  const valid = entries.map((entry) => textAt(entry, 'name')).join(' ');
  throw new Error(`kubeconfig "${path}" has no entry "${name}" in ${list} (valid values: [${valid}])`);
}

function refusePlugins(user: JsonObject, name: string, path: string): void {
  for (const key of ['exec', 'auth-provider', 'username']) {
    if (user[key] === undefined) continue;
    throw new Error(
      `kubeconfig "${path}": user "${name}" logs in with "${key}", which is not available; use token, tokenFile or a client certificate`,
    );
  }
}

async function readTls(cluster: JsonObject, user: JsonObject, directory: string): Promise<ConnectionTls> {
  const ca = await pem(cluster, 'certificate-authority', directory);
  const cert = await pem(user, 'client-certificate', directory);
  const key = await pem(user, 'client-key', directory);
  const servername = textAt(cluster, 'tls-server-name');
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(servername !== '' && { servername }),
    ...(cluster['insecure-skip-tls-verify'] === true && { rejectUnauthorized: false }),
  };
}

/** `key-data` holds base64 and wins; `key` names a file, relative to the kubeconfig. */
async function pem(from: JsonObject, key: string, directory: string): Promise<string | undefined> {
  const data = textAt(from, `${key}-data`);
  if (data !== '') return Buffer.from(data, 'base64').toString('utf8');
  const file = textAt(from, key);
  if (file === '') return undefined;
  try {
    return await readFile(resolve(directory, file), 'utf8');
  } catch (cause) {
    throw new Error(`cannot read ${key} "${file}" of the kubeconfig: ${messageOf(cause)}`, { cause });
  }
}

function readToken(user: JsonObject, directory: string): TokenSource | undefined {
  const file = textAt(user, 'tokenFile');
  if (file !== '') return fileToken(resolve(directory, file));
  const token = textAt(user, 'token');
  return token === '' ? undefined : fixedToken(token);
}
