// SPDX-License-Identifier: Apache-2.0
import { ReverseWriter } from '../../internal/wire-writer.ts';
import { writeKeyValue } from '../../pdata/any-value.ts';
import type { Attributes } from '../../pdata/attributes.ts';
import type { Dictionary, EncodedForm } from '../../pdata/dictionary.ts';
import type {
  ProfilesBatch,
  Resource,
  ResourceProfiles,
  Scope,
  ScopeProfiles,
} from '../../pdata/profiles-batch.ts';
import { writeDictionary } from './encode-dictionary.ts';
import { writeProfile } from './encode-profile.ts';
import { formOf, type WriteRevision } from './revision.ts';

/** How to write a request. */
export interface EncodeOptions {
  /** '1.10' is read by everything current (1.11 is the same), '1.9' by Pyroscope before 1.20. */
  readonly revision: WriteRevision;
  /**
   * Writes strings in place where values of the attribute table refer to the string table, for
   * receivers that do not resolve references. '1.9' has no references, so it always does.
   */
  readonly inlineReferences?: boolean;
}

/**
 * Writes a batch as ExportProfilesServiceRequest. Ranges that nobody edited since decoding are copied as
 * they came, unknown fields included; the rest is written from the columns. Attributes of resources and
 * scopes are always written with their text, never as references.
 */
export function encodeOtlp(batch: ProfilesBatch, options: EncodeOptions): Uint8Array {
  const { revision } = options;
  const inline = revision === '1.9' || options.inlineReferences === true;
  const dictionary = spliceableDictionary(batch.dictionary, inline);
  const w = new ReverseWriter(expectedSizeBytes(batch, dictionary, revision));
  const before = w.length;
  if (dictionary !== undefined) w.raw(dictionary.bytes);
  else writeDictionary(w, batch.dictionary, inline);
  w.message(2, before);
  for (let i = batch.resources.length - 1; i >= 0; i--) {
    writeResourceProfiles(w, batch.resources[i] as ResourceProfiles, revision);
  }
  return w.finish();
}

/** A dictionary without references is the same in every revision and has the form of 1.9. */
function spliceableDictionary(dictionary: Dictionary, inline: boolean): EncodedForm | undefined {
  const { encoded } = dictionary;
  if (encoded?.form === formOf('1.9')) return encoded;
  return encoded?.form === formOf('1.10') && !inline ? encoded : undefined;
}

function expectedSizeBytes(
  batch: ProfilesBatch,
  dictionary: EncodedForm | undefined,
  revision: WriteRevision,
): number {
  let sizeBytes = 64 + (dictionary?.bytes.length ?? 4096);
  for (const rp of batch.resources) {
    const spliced = rp.encodedScopes?.form === formOf(revision) ? rp.encodedScopes.bytes.length : 1024;
    sizeBytes += spliced + 64 + rp.resource.attributes.length * 64;
  }
  return sizeBytes;
}

function writeResourceProfiles(w: ReverseWriter, rp: ResourceProfiles, revision: WriteRevision): void {
  const before = w.length;
  w.stringField(3, rp.schemaUrl);
  if (rp.encodedScopes?.form === formOf(revision)) w.raw(rp.encodedScopes.bytes);
  else {
    for (let i = rp.scopes.length - 1; i >= 0; i--)
      writeScopeProfiles(w, rp.scopes[i] as ScopeProfiles, revision);
  }
  writeResource(w, rp.resource);
  w.message(1, before);
}

function writeResource(w: ReverseWriter, resource: Resource): void {
  const before = w.length;
  w.raw(resource.unknown);
  w.int32Field(2, resource.droppedAttributesCount);
  writeAttributes(w, 1, resource.attributes);
  w.message(1, before);
}

function writeScopeProfiles(w: ReverseWriter, sp: ScopeProfiles, revision: WriteRevision): void {
  const before = w.length;
  w.stringField(3, sp.schemaUrl);
  for (let i = sp.profiles.length - 1; i >= 0; i--) {
    writeProfile(w, sp.profiles[i] as ScopeProfiles['profiles'][number], revision);
  }
  writeScope(w, sp.scope);
  w.message(2, before);
}

function writeScope(w: ReverseWriter, scope: Scope): void {
  const before = w.length;
  w.int32Field(4, scope.droppedAttributesCount);
  writeAttributes(w, 3, scope.attributes);
  w.stringField(2, scope.version);
  w.stringField(1, scope.name);
  w.message(1, before);
}

function writeAttributes(w: ReverseWriter, field: number, attributes: Attributes): void {
  for (let i = attributes.length - 1; i >= 0; i--)
    writeKeyValue(w, field, attributes[i] as Attributes[number]);
}
