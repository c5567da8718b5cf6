// SPDX-License-Identifier: Apache-2.0
import { stringValue } from '../../src/pdata/any-value.ts';
import type { Attributes } from '../../src/pdata/attributes.ts';
import {
  type AttributesEdit,
  editLocationAttributes,
  editMappingAttributes,
  editProfileAttributes,
  editResourceAttributes,
  editSampleAttributes,
  editScopeAttributes,
} from '../../src/pdata/edit-attributes.ts';
import type { ProfilesBatch } from '../../src/pdata/profiles-batch.ts';
import type { Plain } from './otlp-meaning.ts';

/** An edit that both sides can do: first what goes, then what comes. */
export interface AttributeEdit {
  readonly remove: string | undefined;
  readonly add: { readonly key: string; readonly text: string } | undefined;
}

/** Where attributes are. */
export const LEVELS = ['resource', 'scope', 'profile', 'sample', 'location', 'mapping'] as const;
type Level = (typeof LEVELS)[number];

const UNIT = 'By';

/** The edit as pdata does it. */
export function editBatch(batch: ProfilesBatch, level: Level, { remove, add }: AttributeEdit): ProfilesBatch {
  const ofList = (attributes: Attributes): Attributes => [
    ...attributes.filter(({ key }) => key !== remove),
    ...(add === undefined ? [] : [{ key: add.key, value: stringValue(add.text) }]),
  ];
  const ofRows: AttributesEdit = (attributes) => [
    ...attributes.filter(({ key }) => key !== remove),
    ...(add === undefined ? [] : [{ key: add.key, value: stringValue(add.text), unit: UNIT }]),
  ];
  switch (level) {
    case 'resource':
      return editResourceAttributes(batch, ofList);
    case 'scope':
      return editScopeAttributes(batch, ofList);
    case 'profile':
      return editProfileAttributes(batch, ofRows);
    case 'sample':
      return editSampleAttributes(batch, ofRows);
    case 'location':
      return editLocationAttributes(batch, ofRows);
    case 'mapping':
      return editMappingAttributes(batch, ofRows);
  }
}

/** The edit in place, row by row, on a message of protobufjs without references. */
export function editPlain(request: Plain, level: Level, edit: AttributeEdit): void {
  const rows = new PlainRows(messageIn(request, 'dictionary'));
  const resources = messagesIn(request, 'resourceProfiles');
  const scopes = resources.flatMap((resource) => messagesIn(resource, 'scopeProfiles'));
  const profiles = scopes.flatMap((scope) => messagesIn(scope, 'profiles'));
  switch (level) {
    case 'resource':
      for (const resource of resources) editList(messageIn(resource, 'resource'), edit);
      return;
    case 'scope':
      for (const scope of scopes) editList(messageIn(scope, 'scope'), edit);
      return;
    case 'profile':
      for (const profile of profiles) rows.edit(profile, edit);
      return;
    case 'sample':
      for (const profile of profiles)
        for (const sample of messagesIn(profile, 'samples')) rows.edit(sample, edit);
      return;
    case 'location':
    case 'mapping':
      for (const row of messagesIn(messageIn(request, 'dictionary'), `${level}Table`).slice(1))
        rows.edit(row, edit);
  }
}

/** A message in a field, put there where there is none. */
function messageIn(message: Plain, field: string): Plain {
  message[field] ??= {};
  return message[field] as Plain;
}

/** The list of messages in a field, put there where there is none. */
function messagesIn(message: Plain, field: string): Plain[] {
  message[field] ??= [];
  return message[field] as Plain[];
}

const textValue = (text: string): Plain => ({ value: 'stringValue', stringValue: text });

function editList(message: Plain, { remove, add }: AttributeEdit): void {
  const kept = messagesIn(message, 'attributes').filter(({ key }) => key !== remove);
  if (add !== undefined) kept.push({ key: add.key, value: textValue(add.text) });
  message['attributes'] = kept;
}

class PlainRows {
  readonly #strings: unknown[];
  readonly #attributes: Plain[];

  constructor(dictionary: Plain) {
    dictionary['stringTable'] ??= [];
    this.#strings = dictionary['stringTable'] as unknown[];
    this.#attributes = messagesIn(dictionary, 'attributeTable');
  }

  edit(message: Plain, { remove, add }: AttributeEdit): void {
    const indices = (message['attributeIndices'] ?? []) as number[];
    const kept = indices.filter((row) => this.#keyOf(row) !== remove);
    if (add !== undefined) kept.push(this.#row(add.key, add.text));
    message['attributeIndices'] = kept;
  }

  #keyOf(row: number): unknown {
    return this.#strings[Number(this.#attributes[row]?.['keyStrindex'] ?? 0)] ?? '';
  }

  #row(key: string, text: string): number {
    const [keyStrindex, unitStrindex] = [this.#strings.push(key) - 1, this.#strings.push(UNIT) - 1];
    return this.#attributes.push({ keyStrindex, value: textValue(text), unitStrindex }) - 1;
  }
}
