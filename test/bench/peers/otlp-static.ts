// SPDX-License-Identifier: Apache-2.0
import { pathToFileURL } from 'node:url';

const REQUEST = 'opentelemetry.proto.collector.profiles.v1development.ExportProfilesServiceRequest';

interface KeyValue {
  key: string;
  value: { stringValue: string };
}

/** What the relay touches of a decoded request. */
export interface ExportRequest {
  resourceProfiles: { resource: { attributes: KeyValue[] } }[];
}

/** The class that `pbjs --target static-module` writes for ExportProfilesServiceRequest. */
export interface StaticCodec {
  decode(bytes: Uint8Array): ExportRequest;
  encode(message: ExportRequest): { finish(): Uint8Array };
}

/** Loads the generated module that the first argument of the program names. */
export async function loadStaticCodec(): Promise<StaticCodec> {
  const path = process.argv[2];
  if (path === undefined) throw new Error('the first argument is the module that pbjs made');
  const module: unknown = await import(pathToFileURL(path).href);
  let at = module;
  for (const name of REQUEST.split('.')) {
    if (typeof at !== 'object' || at === null) throw new Error(`${path} has no ${REQUEST}`);
    at = Reflect.get(at, name);
  }
  if (!isCodec(at)) throw new Error(`${path} has no ${REQUEST}`);
  return at;
}

function isCodec(found: unknown): found is StaticCodec {
  return typeof found === 'function' && 'decode' in found && 'encode' in found;
}
