// SPDX-License-Identifier: Apache-2.0
import { didYouMean } from '../../internal/suggest.ts';
import type { Findings } from '../findings.ts';
import type { Place } from '../place.ts';
import type { Expression } from '../syntax/tree.ts';
import { CONSTANTS } from './constants.ts';
import { ExportReader } from './exports.ts';
import { applyOperator } from './operators.ts';
import type { Scope } from './scope.ts';
import { callFunction, FUNCTION_NAMES } from './stdlib.ts';
import { variableIn, variablesOf } from './text.ts';
import { areEqual, array, bool, checkSize, kindOf, LOST, NULL, number, string, type Value } from './value.ts';

const FUNCTIONS = new Set(FUNCTION_NAMES);
/** Fewer than the stack has room for, more than modules that people write nest. */
const MAX_DEPTH = 2000;
/** Each compares a name with all others. */
const MAX_SUGGESTIONS = 100;

/** Environment variables of the host that converts. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Finds what expressions come to. What is known only where the collector runs stays symbolic; what cannot
 * be had is reported once and is `lost` from then on.
 */
export class Evaluator {
  readonly #findings: Findings;
  readonly #environment: Environment;
  readonly #exports: ExportReader;
  #depth = 0;
  #suggestions = 0;

  constructor(findings: Findings, environment: Environment) {
    this.#findings = findings;
    this.#environment = environment;
    this.#exports = new ExportReader((expression, scope) => this.evaluate(expression, scope), findings);
  }

  evaluate(expression: Expression, scope: Scope): Value {
    if (this.#depth >= MAX_DEPTH) return this.#lost(expression.place, 'expression', 'is nested too deep');
    this.#depth++;
    try {
      return this.#evaluate(expression, scope);
    } finally {
      this.#depth--;
    }
  }

  #evaluate(expression: Expression, scope: Scope): Value {
    const { place } = expression;
    switch (expression.kind) {
      case 'literal':
        return literal(expression.value);
      case 'array':
        return array(expression.items.map((item) => this.evaluate(item, scope)));
      case 'object':
        return {
          kind: 'object',
          fields: new Map(expression.fields.map(({ name, value }) => [name, this.evaluate(value, scope)])),
        };
      case 'identifier':
        return this.#named([expression.name], scope, place);
      case 'access': {
        const path = pathOf(expression);
        if (path !== undefined) return this.#named(path, scope, place);
        return this.#field(this.evaluate(expression.of, scope), expression.name, place);
      }
      case 'index':
        return this.#indexed(
          this.evaluate(expression.of, scope),
          this.evaluate(expression.index, scope),
          place,
        );
      case 'call':
        return this.#call(expression, scope);
      case 'unary':
        return this.#unary(expression.operator, this.evaluate(expression.of, scope), place);
      case 'binary':
        return this.#binary(expression, scope);
    }
  }

  /** A function, a constant, a local name, or an export of a component with fields of it. */
  #named(path: readonly string[], scope: Scope, place: Place): Value {
    const name = path.join('.');
    for (let length = path.length; length > 0; length--) {
      const head = path.slice(0, length).join('.');
      const value = this.#known(head, scope, place) ?? this.#export(path, length, scope, place);
      if (value === undefined) continue;
      const used = value.from ?? length;
      return path.slice(used).reduce((of, field) => this.#field(of, field, place), value.value);
    }
    if (this.#suggestions++ >= MAX_SUGGESTIONS)
      return this.#lost(place, name, 'there is nothing of this name');
    const known = [...scope.ids(), ...scope.locals.keys(), ...FUNCTION_NAMES];
    const ids = path.length > 2 ? known.filter((id) => id.includes('.')) : known;
    const id = path.length > 2 ? path.slice(0, -1).join('.') : name;
    return this.#lost(place, name, `there is nothing of this name${didYouMean(id, ids)}`);
  }

  #known(name: string, scope: Scope, place: Place): { value: Value; from?: number } | undefined {
    if (FUNCTIONS.has(name)) return { value: { kind: 'function', name } };
    const local = scope.locals.get(name);
    if (local !== undefined) return { value: local() };
    const constant = Object.hasOwn(CONSTANTS, name) ? CONSTANTS[name] : undefined;
    if (constant === undefined) return undefined;
    this.#findings.note(place, name, constant.note);
    return { value: constant.value() };
  }

  #export(
    path: readonly string[],
    length: number,
    scope: Scope,
    place: Place,
  ): { value: Value; from: number } | undefined {
    const id = path.slice(0, length).join('.');
    const name = path[length];
    const custom = scope.custom(id);
    const instance = scope.instance(id);
    if (custom === undefined && instance === undefined) return undefined;
    if (name === undefined) return { value: { kind: 'namespace', path }, from: length };
    if (instance !== undefined) return { value: this.#exports.read(instance, name, place), from: length + 1 };
    const value = custom?.get(name);
    if (value !== undefined) return { value: value(), from: length + 1 };
    const reason = `${id} exports nothing of this name${didYouMean(name, custom?.keys() ?? [])}`;
    return { value: this.#lost(place, path.join('.'), reason), from: length + 1 };
  }

  #field(of: Value, name: string, place: Place): Value {
    if (of.kind === 'lost') return LOST;
    if (of.kind !== 'object')
      return this.#lost(place, `.${name}`, `fields cannot be taken of ${kindOf(of)} by the converter`);
    return (
      of.fields.get(name) ??
      this.#lost(place, `.${name}`, `there is no field of this name${didYouMean(name, of.fields.keys())}`)
    );
  }

  #indexed(of: Value, index: Value, place: Place): Value {
    if (of.kind === 'lost' || index.kind === 'lost') return LOST;
    const isSpread = of.kind === 'array' && of.items.some((i) => i.kind === 'export' || i.kind === 'decoded');
    if (of.kind === 'array' && index.kind === 'number' && !isSpread)
      return (
        of.items[index.value] ??
        this.#lost(place, `[${index.value}]`, `the list has ${of.items.length} elements`)
      );
    if (of.kind === 'object' && index.kind === 'string' && index.text.every((p) => typeof p === 'string'))
      return of.fields.get(index.text.join('')) ?? NULL;
    return this.#lost(place, 'index', `elements cannot be taken of ${kindOf(of)} by the converter`);
  }

  #call(expression: Extract<Expression, { kind: 'call' }>, scope: Scope): Value {
    const { place } = expression;
    const called = this.evaluate(expression.of, scope);
    const args = expression.args.map((arg) => this.evaluate(arg, scope));
    if (called.kind === 'lost' || args.some((arg) => arg.kind === 'lost' && called.kind !== 'function'))
      return LOST;
    if (called.kind !== 'function') return this.#lost(place, 'call', `${kindOf(called)} is no function`);
    const { name } = called;
    // What is lost of a list is reported; the rest of the list still stands.
    const isList = name.endsWith('concat') || name === 'coalesce';
    if (!isList && args.some((arg) => arg.kind === 'lost')) return LOST;
    try {
      return checkSize(
        callFunction({
          name,
          place,
          args: args.filter((a) => a.kind !== 'lost'),
          findings: this.#findings,
        }),
      );
    } catch (error) {
      return this.#lost(place, name, error instanceof Error ? error.message : String(error));
    }
  }

  #unary(operator: '!' | '-', of: Value, place: Place): Value {
    if (of.kind === 'lost') return LOST;
    if (operator === '!' && of.kind === 'bool') return bool(!of.value);
    if (operator === '-' && of.kind === 'number') return number(-of.value);
    return this.#lost(place, operator, `"${operator}" cannot be applied to ${kindOf(of)}`);
  }

  #binary(expression: Extract<Expression, { kind: 'binary' }>, scope: Scope): Value {
    const { place, operator } = expression;
    const left = this.evaluate(expression.left, scope);
    const right = this.evaluate(expression.right, scope);
    if (left.kind === 'lost' || right.kind === 'lost') return LOST;
    if (operator === '&&' || operator === '||') {
      if (left.kind === 'bool' && right.kind === 'bool')
        return bool(operator === '&&' ? left.value && right.value : left.value || right.value);
      return this.#lost(place, operator, `expected bool, got ${kindOf(left)} and ${kindOf(right)}`);
    }
    try {
      if (operator === '==' || operator === '!=') {
        const isEqual = areEqual(this.#frozen(left, place), this.#frozen(right, place));
        if (isEqual !== undefined) return bool(isEqual === (operator === '=='));
      }
      return checkSize(applyOperator(operator, left, right));
    } catch (error) {
      return this.#lost(place, operator, error instanceof Error ? error.message : String(error));
    }
  }

  /** A comparison has to be decided now, with the variables of this host; it gives away one bit of them. */
  #frozen(value: Value, place: Place): Value {
    if (value.kind !== 'string') return value;
    const names = variablesOf(value.text);
    const parts = value.text.map((part) => {
      if (typeof part === 'string') return part;
      return part.late === 'env' ? variableIn(part, this.#environment) : undefined;
    });
    if (names.length === 0 || parts.includes(undefined)) return value;
    this.#findings.note(
      place,
      'comparison',
      `decided with ${names.join(', ')} as set on the host that converted`,
    );
    return string(parts.join(''));
  }

  #lost(place: Place, what: string, reason: string): Value {
    this.#findings.lost(place, what, reason);
    return LOST;
  }
}

function literal(value: string | number | boolean | null): Value {
  if (typeof value === 'string') return string(value);
  if (typeof value === 'number') return number(value);
  return value === null ? NULL : bool(value);
}

/** The names of `a.b.c`; undefined where something else is accessed. */
function pathOf(expression: Expression): readonly string[] | undefined {
  if (expression.kind === 'identifier') return [expression.name];
  if (expression.kind !== 'access') return undefined;
  const of = pathOf(expression.of);
  return of === undefined ? undefined : [...of, expression.name];
}
