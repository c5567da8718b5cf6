// SPDX-License-Identifier: Apache-2.0
import { joined, ReverseWriter } from '../../internal/wire-writer.ts';
import type { DictionaryTables } from '../../pdata/dictionary.ts';
import type {
  ProfilesBatch,
  Resource,
  ResourceProfiles,
  Scope,
  ScopeProfiles,
} from '../../pdata/profiles-batch.ts';
import type { EncodedForm } from '../../pdata/tables.ts';
import { writeAttributes, writeResourceAttributes } from './encode-attributes.ts';
import { writeDictionary } from './encode-dictionary.ts';
import { writeProfile } from './encode-profile.ts';
import { Form, type WriteRevision } from './revision.ts';

/** How to write a request. */
export interface EncodeOptions {
  /** '1.10' is read by everything current (1.11 is the same), '1.9' by Pyroscope before 1.20. */
  readonly revision: WriteRevision;
  /**
   * Writes strings in place where attributes refer to the string table, for receivers that do not resolve
   * references. '1.9' has no references, so it always does.
   */
  readonly inlineReferences?: boolean;
}

/**
 * Writes a batch as ExportProfilesServiceRequest. Ranges that nobody edited since decoding are copied as
 * they came, unknown fields and references included; the rest is written from the columns.
 */
export function encodeOtlp(batch: ProfilesBatch, options: EncodeOptions): Uint8Array {
  return joined(encodeOtlpPieces(batch, options));
}

/** Like `encodeOtlp`, in pieces, which to join costs a copy: large ranges are the batch's own bytes, to be read only. */
export function encodeOtlpPieces(batch: ProfilesBatch, options: EncodeOptions): Uint8Array[] {
  batch.prepareForOtlp();
  const writer = new RequestWriter(batch, options);
  return writer.write(batch);
}

class RequestWriter {
  readonly #w = new ReverseWriter();
  readonly #revision: WriteRevision;
  readonly #tables: DictionaryTables;
  readonly #allowReferences: boolean;

  constructor(batch: ProfilesBatch, { revision, inlineReferences = false }: EncodeOptions) {
    this.#revision = revision;
    this.#allowReferences = revision === '1.10' && !inlineReferences;
    this.#tables = batch.dictionary.tables;
  }

  write(batch: ProfilesBatch): Uint8Array[] {
    const w = this.#w;
    w.raw(batch.unknown);
    const before = w.length;
    w.raw(batch.dictionary.unknown);
    writeDictionary(w, batch.dictionary, (form) => this.#maySplice(form));
    w.message(2, before);
    for (let i = batch.resources.length - 1; i >= 0; i--) {
      this.#resourceProfiles(batch.resources[i] as ResourceProfiles);
    }
    return w.finishPieces();
  }

  #maySplice(encoded: EncodedForm | undefined): encoded is EncodedForm {
    switch (encoded?.form) {
      case Form.any:
        return true;
      case Form.v1_9:
        return this.#revision === '1.9';
      case Form.v1_10:
        return this.#revision === '1.10';
      case Form.references:
        return this.#allowReferences;
      default:
        return false;
    }
  }

  #resourceProfiles(rp: ResourceProfiles): void {
    const w = this.#w;
    const before = w.length;
    if (rp.unknown !== undefined) w.raw(rp.unknown);
    w.stringField(3, rp.schemaUrl);
    const { encodedScopes } = rp;
    if (this.#maySplice(encodedScopes)) w.raw(encodedScopes.bytes);
    else {
      const { scopes } = rp;
      for (let i = scopes.length - 1; i >= 0; i--) this.#scopeProfiles(scopes[i] as ScopeProfiles);
    }
    this.#resource(rp.resource);
    w.message(1, before);
  }

  #resource(resource: Resource): void {
    const w = this.#w;
    const before = w.length;
    w.raw(resource.unknown);
    w.int32Field(2, resource.droppedAttributesCount);
    writeResourceAttributes(w, 1, resource, this.#tables.strings, this.#allowReferences);
    w.message(1, before);
  }

  #scopeProfiles(sp: ScopeProfiles): void {
    const w = this.#w;
    const before = w.length;
    if (sp.unknown !== undefined) w.raw(sp.unknown);
    w.stringField(3, sp.schemaUrl);
    for (let i = sp.profiles.length - 1; i >= 0; i--) {
      writeProfile(w, sp.profiles[i] as ScopeProfiles['profiles'][number], this.#revision);
    }
    this.#scope(sp.scope);
    w.message(2, before);
  }

  #scope(scope: Scope): void {
    const w = this.#w;
    const before = w.length;
    if (scope.unknown !== undefined) w.raw(scope.unknown);
    w.int32Field(4, scope.droppedAttributesCount);
    writeAttributes(w, 3, scope.attributes);
    w.stringField(2, scope.version);
    w.stringField(1, scope.name);
    w.message(1, before);
  }
}
