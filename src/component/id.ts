// SPDX-License-Identifier: Apache-2.0

/** Identity of a configured component, written `type` or `type/name`. */
export interface ComponentId {
  readonly type: string;
  readonly name: string;
  /** As written in the configuration. */
  readonly text: string;
}

const TYPE = /^[a-zA-Z][0-9a-zA-Z_]{0,62}$/;
const NAME_FORBIDDEN = /[\p{Z}\p{C}\p{S}]/u;

/** Throws Error with the Collector's wording where `text` is no id. */
export function parseComponentId(text: string): ComponentId {
  const trimmed = text.trim();
  if (trimmed === '') throw new Error('id must not be empty');
  const slash = trimmed.indexOf('/');
  const type = (slash < 0 ? trimmed : trimmed.slice(0, slash)).trim();
  const name = slash < 0 ? '' : trimmed.slice(slash + 1).trim();
  if (type === '') throw new Error(`in "${trimmed}" id: the part before / should not be empty`);
  if (slash >= 0 && name === '') throw new Error(`in "${trimmed}" id: the part after / should not be empty`);
  if (!TYPE.test(type)) throw new Error(`in "${trimmed}" id: invalid character(s) in type "${type}"`);
  if (name.length > 1024 || NAME_FORBIDDEN.test(name)) {
    throw new Error(`in "${trimmed}" id: invalid character(s) in name "${name}"`);
  }
  return { type, name, text: name === '' ? type : `${type}/${name}` };
}
