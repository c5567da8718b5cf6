// SPDX-License-Identifier: Apache-2.0
import { type AnyValue, type KeyValue, valueToText } from './any-value.ts';

/** Attributes of a resource or scope: ordered, keys unique. Immutable; edits return a new list. */
export type Attributes = readonly KeyValue[];

export function getAttribute(attributes: Attributes, key: string): AnyValue | undefined {
  return attributes.find((a) => a.key === key)?.value;
}

/** The attribute as text, or undefined where it is absent. */
export function getText(attributes: Attributes, key: string): string | undefined {
  const value = getAttribute(attributes, key);
  return value === undefined ? undefined : valueToText(value);
}

/** Adds or replaces; the place of an existing key is kept. */
export function withAttribute(attributes: Attributes, key: string, value: AnyValue): Attributes {
  const at = attributes.findIndex((a) => a.key === key);
  return at < 0 ? [...attributes, { key, value }] : attributes.with(at, { key, value });
}

export function withoutAttribute(attributes: Attributes, key: string): Attributes {
  return attributes.some((a) => a.key === key) ? attributes.filter((a) => a.key !== key) : attributes;
}
