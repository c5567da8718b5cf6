// SPDX-License-Identifier: Apache-2.0
import { stringValue } from '../../pdata/any-value.ts';
import { type Attributes, withAttribute } from '../../pdata/attributes.ts';
import type { Detector } from './detector.ts';

const VARIABLE = 'OTEL_RESOURCE_ATTRIBUTES';

/** Attributes of OTEL_RESOURCE_ATTRIBUTES: `key=value,key=value`, values percent-encoded. */
export function envDetector(env: Readonly<Record<string, string | undefined>>): Detector {
  return { name: 'env', detect: async () => parseResourceAttributes(env[VARIABLE] ?? '') };
}

/** Throws Error where an entry is malformed; of a key given twice the last value counts. */
export function parseResourceAttributes(text: string): Attributes {
  let attributes: Attributes = [];
  for (const entry of text.split(',')) {
    if (entry.trim() === '') continue;
    const equals = entry.indexOf('=');
    const key = entry.slice(0, equals).trim();
    if (equals < 0 || key === '') {
      throw new Error(
        `${VARIABLE}: invalid resource format in attribute: "${entry.trim()}" (expected key=value)`,
      );
    }
    attributes = withAttribute(
      attributes,
      decode(key, entry),
      stringValue(decode(entry.slice(equals + 1).trim(), entry)),
    );
  }
  return attributes;
}

function decode(text: string, entry: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new Error(`${VARIABLE}: invalid percent-encoding in attribute: "${entry.trim()}"`, { cause });
  }
}
