// SPDX-License-Identifier: Apache-2.0
import type { AnyValue } from './any-value.ts';
import type { Attributes } from './attributes.ts';
import { DictionaryBuilder } from './dictionary-builder.ts';
import { Dictionary, type DictionaryTables } from './dictionary.ts';
import {
  type Profile,
  ProfilesBatch,
  type ResourceProfiles,
  withProfiles,
  withResourceAttributes,
  withSamples,
  withScopes,
} from './profiles-batch.ts';
import { WordRows } from './rows.ts';
import { type IndexLists, indexLists, listAt } from './tables.ts';

/** An attribute of the dictionary: of a profile, a sample, a location or a mapping. */
interface DictionaryAttribute {
  readonly key: string;
  readonly value: AnyValue;
  /** Empty where there is none. */
  readonly unit: string;
}

/**
 * Gives the attributes that take the place of these; the same list where nothing changes. Called once for
 * each distinct list of attributes, so it may look at nothing else.
 */
export type AttributesEdit = (attributes: readonly DictionaryAttribute[]) => readonly DictionaryAttribute[];

/**
 * Edits the attributes of every resource. This and the following give the same batch where nothing changes,
 * else one that shares what did not: profiles, resources and tables stay the same objects, encoded forms
 * included. New rows stand behind the old ones of the dictionary, which keep their indices; rows that fell
 * out of use stay (see `collectGarbage`).
 */
export function editResourceAttributes(
  batch: ProfilesBatch,
  edit: (attributes: Attributes) => Attributes,
): ProfilesBatch {
  return batch.mapResources((rp) => withResourceAttributes(rp, edit(rp.resource.attributes)));
}

/** Edits the attributes of every scope. */
export function editScopeAttributes(
  batch: ProfilesBatch,
  edit: (attributes: Attributes) => Attributes,
): ProfilesBatch {
  return batch.mapResources((rp) => {
    const scopes = mapped(rp.scopes, (sp) => {
      const attributes = edit(sp.scope.attributes);
      if (attributes === sp.scope.attributes) return sp;
      return { ...withProfiles(sp, sp.profiles), scope: { ...sp.scope, attributes } };
    });
    return scopes === rp.scopes ? rp : withScopes(rp, scopes);
  });
}

/** Edits the attributes of every profile. */
export function editProfileAttributes(batch: ProfilesBatch, edit: AttributesEdit): ProfilesBatch {
  const editor = new ListEditor(batch.dictionary, edit);
  return editProfiles(batch, editor, (p) => {
    const attributes = editor.edited(p.attributes);
    return attributes === p.attributes ? p : withSamples(p, p.samples, { attributes });
  });
}

/** Edits the attributes of every sample. */
export function editSampleAttributes(batch: ProfilesBatch, edit: AttributesEdit): ProfilesBatch {
  const editor = new ListEditor(batch.dictionary, edit);
  return editProfiles(batch, editor, (p) => {
    const { samples } = p;
    const attributes = editor.editedLists(samples.attributes, 0, samples.length);
    return attributes === samples.attributes ? p : withSamples(p, { ...columnsOf(samples), attributes });
  });
}

/** Edits the attributes of every location of the dictionary but the zero row. */
export function editLocationAttributes(batch: ProfilesBatch, edit: AttributesEdit): ProfilesBatch {
  const { locations } = batch.dictionary.tables;
  const editor = new ListEditor(batch.dictionary, edit);
  const attributes = editor.editedLists(locations.attributes, 1, locations.length);
  if (attributes === locations.attributes) return batch;
  const { length, mapping, address, lineStart, lineFunction, lineLine, lineColumn } = locations;
  return withTables(batch, editor, {
    locations: { length, mapping, address, attributes, lineStart, lineFunction, lineLine, lineColumn },
  });
}

/** Edits the attributes of every mapping of the dictionary but the zero row. */
export function editMappingAttributes(batch: ProfilesBatch, edit: AttributesEdit): ProfilesBatch {
  const { mappings } = batch.dictionary.tables;
  const editor = new ListEditor(batch.dictionary, edit);
  const attributes = editor.editedLists(mappings.attributes, 1, mappings.length);
  if (attributes === mappings.attributes) return batch;
  const { length, memoryStart, memoryLimit, fileOffset, filename } = mappings;
  return withTables(batch, editor, {
    mappings: { length, memoryStart, memoryLimit, fileOffset, filename, attributes },
  });
}

/** The columns of samples without whatever else the object may hold. */
function columnsOf({
  length,
  stack,
  link,
  valueStart,
  values,
  timestampStart,
  timestamps,
}: Profile['samples']) {
  return { length, stack, link, valueStart, values, timestampStart, timestamps };
}

function editProfiles(
  batch: ProfilesBatch,
  editor: ListEditor,
  edit: (p: Profile) => Profile,
): ProfilesBatch {
  const edited = batch.mapResources((rp): ResourceProfiles => {
    const scopes = mapped(rp.scopes, (sp) => {
      const profiles = mapped(sp.profiles, edit);
      return profiles === sp.profiles ? sp : withProfiles(sp, profiles);
    });
    return scopes === rp.scopes ? rp : withScopes(rp, scopes);
  });
  return edited === batch ? batch : new ProfilesBatch(editor.build(), edited.resources, batch.unknown);
}

function withTables(
  batch: ProfilesBatch,
  editor: ListEditor,
  changes: Partial<DictionaryTables>,
): ProfilesBatch {
  const { tables, unknown } = editor.build();
  return new ProfilesBatch(
    new Dictionary({ ...tables, ...changes }, unknown),
    batch.resources,
    batch.unknown,
  );
}

/** The same list where no element changed. */
function mapped<T>(list: readonly T[], edit: (element: T) => T): readonly T[] {
  const out = list.map(edit);
  return out.every((element, i) => element === list[i]) ? list : out;
}

/** Edits lists of attribute rows, each distinct one once, and adds the rows that are new to the dictionary. */
class ListEditor {
  readonly #dictionary: Dictionary;
  readonly #edit: AttributesEdit;
  readonly #builder: DictionaryBuilder;
  readonly #lists = new WordRows();
  /** The rows that take the place of each known list; undefined where the list stays. */
  readonly #results: (Int32Array | undefined)[] = [];
  readonly #attributes: (DictionaryAttribute | undefined)[] = [];
  readonly #rows = new Map<DictionaryAttribute, number>();

  constructor(dictionary: Dictionary, edit: AttributesEdit) {
    this.#dictionary = dictionary;
    this.#edit = edit;
    this.#builder = new DictionaryBuilder(dictionary);
  }

  build(): Dictionary {
    return this.#builder.build();
  }

  /** The same array where nothing changes. */
  edited(rows: Int32Array): Int32Array {
    this.#lists.pushAll(rows);
    return this.#known() ?? rows;
  }

  /** Lists `from .. to` edited, the others as they are; the same object where nothing changes. */
  editedLists(lists: IndexLists, from: number, to: number): IndexLists {
    const { start, values } = lists;
    const out: Int32Array[] = [];
    let isSame = true;
    for (let i = from; i < to; i++) {
      for (let k = start[i] as number; k < (start[i + 1] as number); k++)
        this.#lists.push(values[k] as number);
      const result = this.#known();
      if (result !== undefined) isSame = false;
      out.push(result ?? listAt(lists, i));
    }
    if (isSame) return lists;
    for (let i = from - 1; i >= 0; i--) out.unshift(listAt(lists, i));
    return indexLists(out);
  }

  /** The result for the list that was pushed. */
  #known(): Int32Array | undefined {
    const list = this.#lists.intern();
    if (list === this.#results.length) this.#results.push(this.#make(list));
    return this.#results[list];
  }

  #make(list: number): Int32Array | undefined {
    const { words, starts } = this.#lists;
    const rows = words.slice(starts[list], starts[list + 1]);
    const before = Array.from(rows, (row) => this.#attribute(row));
    const after = this.#edit(before);
    if (after === before) return undefined;
    const edited = Int32Array.from(after, (attribute) => this.#row(attribute));
    const isSame = edited.length === rows.length && edited.every((row, i) => row === rows[i]);
    return isSame ? undefined : edited;
  }

  #attribute(row: number): DictionaryAttribute {
    const known = this.#attributes[row];
    if (known !== undefined) return known;
    const d = this.#dictionary;
    const unit = d.text(d.tables.attributes.unit[row] ?? -1);
    const attribute = { key: d.attributeKey(row), value: d.attributeValue(row), unit };
    this.#attributes[row] = attribute;
    this.#rows.set(attribute, row);
    return attribute;
  }

  #row(attribute: DictionaryAttribute): number {
    const known = this.#rows.get(attribute);
    return known ?? this.#builder.attributeOf(attribute.key, attribute.value, attribute.unit);
  }
}
