// SPDX-License-Identifier: Apache-2.0
import { type AnyValue, intValue, stringValue, valueToText } from '../../pdata/any-value.ts';

const INT = /^[+-]?\d+$/;
const DOUBLE = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** The value as another type; a value that does not convert is returned as it is. */
export function convertValue(value: AnyValue, target: 'string' | 'int' | 'double'): AnyValue {
  if (target === 'string') return stringValue(valueToText(value));
  const number = target === 'int' ? toInt(value) : toDouble(value);
  return number ?? value;
}

function toInt(value: AnyValue): AnyValue | undefined {
  switch (value.kind) {
    case 'bool':
      return intValue(value.value ? 1n : 0n);
    case 'double':
      return Number.isFinite(value.value)
        ? intValue(BigInt.asIntN(64, BigInt(Math.trunc(value.value))))
        : undefined;
    case 'string': {
      if (!INT.test(value.value)) return undefined;
      const exact = BigInt(value.value.replace(/^\+/, ''));
      return BigInt.asIntN(64, exact) === exact ? intValue(exact) : undefined;
    }
    default:
      return undefined;
  }
}

function toDouble(value: AnyValue): AnyValue | undefined {
  switch (value.kind) {
    case 'bool':
      return { kind: 'double', value: value.value ? 1 : 0 };
    case 'int':
      return { kind: 'double', value: Number(value.value) };
    case 'string':
      return DOUBLE.test(value.value) ? { kind: 'double', value: Number(value.value) } : undefined;
    default:
      return undefined;
  }
}
