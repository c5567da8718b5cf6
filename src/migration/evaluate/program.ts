// SPDX-License-Identifier: Apache-2.0
import { didYouMean } from '../../internal/suggest.ts';
import type { Findings } from '../findings.ts';
import { parseRiver } from '../syntax/parser.ts';
import { SyntaxIssues } from '../syntax/token.ts';
import type { Attribute, Block, Statement } from '../syntax/tree.ts';
import { type Environment, Evaluator } from './evaluator.ts';
import { type Declaration, type Instance, Scope } from './scope.ts';
import { fixedValue, onlyLatePart } from './text.ts';
import { kindOf, LOST, NULL, type Value } from './value.ts';

/** What a file configures once everything in it is written out. */
export interface Program {
  readonly instances: readonly Instance[];
  /** Labels of imports whose modules are not known. */
  readonly unread: ReadonlySet<string>;
  /** Blocks that are no components: logging, tracing, http … */
  readonly settings: readonly Block[];
  readonly root: Scope;
  readonly evaluator: Evaluator;
}

export interface ProgramOptions {
  readonly findings: Findings;
  readonly environment: Environment;
  /** A module's text, or undefined where there is none to read. */
  readonly readModule: (path: string) => string | undefined;
}

const SETTINGS = new Set(['logging', 'tracing', 'http', 'remotecfg', 'livedebugging', 'server']);
const MAX_DEPTH = 16;
const MAX_INSTANCES = 5_000;

/** Where a body is loaded to. */
interface Context {
  readonly scope: Scope;
  /** Before the labels of what is inside. */
  readonly prefix: string;
  readonly depth: number;
}

/** Writes modules, custom components and `foreach` out, so that only built-in components are left. */
export function loadProgram(statements: readonly Statement[], options: ProgramOptions): Program {
  const loader = new Loader(options);
  const root = new Scope();
  loader.load(statements, { scope: root, prefix: '', depth: 0 });
  const { instances, unread, settings, evaluator } = loader;
  return { instances, unread, settings, root, evaluator };
}

class Loader {
  readonly #options: ProgramOptions;
  readonly #labels = new Set<string>();
  #expansions = 0;
  readonly evaluator: Evaluator;
  readonly instances: Instance[] = [];
  readonly unread = new Set<string>();
  readonly settings: Block[] = [];

  constructor(options: ProgramOptions) {
    this.#options = options;
    this.evaluator = new Evaluator(options.findings, options.environment);
  }

  /** Takes a body; in turn what others need: declarations, components, imports, custom components, loops. */
  load(statements: readonly Statement[], context: Context): void {
    const { findings } = this.#options;
    const blocks = statements.filter((s) => s.kind === 'block');
    for (const statement of statements) {
      if (statement.kind === 'attribute')
        findings.lost(statement.place, statement.name, 'there are no attributes outside of blocks');
    }
    for (const block of blocks) {
      if (block.name === 'declare' && block.label !== undefined)
        context.scope.declarations.set(block.label, { block, scope: context.scope });
    }
    for (const block of blocks) if (block.name.startsWith('import.')) this.#import(block, context);
    const customs: (readonly [Block, Declaration])[] = [];
    for (const block of blocks) {
      const declaration = context.scope.declaration(block.name);
      if (declaration !== undefined) customs.push([block, declaration]);
      else this.#plain(block, context);
    }
    for (const [block, declaration] of customs) this.#custom(block, declaration, context);
    for (const block of blocks) if (block.name.startsWith('module.')) this.#module(block, context);
    for (const block of blocks) if (block.name === 'foreach') this.#loop(block, context);
  }

  #plain(block: Block, context: Context): void {
    if (['declare', 'argument', 'export', 'foreach'].includes(block.name)) return;
    if (block.name.startsWith('import.') || block.name.startsWith('module.')) return;
    if (SETTINGS.has(block.name)) {
      this.settings.push(block);
      return;
    }
    const { findings } = this.#options;
    if (block.label === undefined || !block.name.includes('.')) {
      const isComponent = block.name.includes('.');
      const reason = isComponent ? 'a component needs a label' : 'there is no block of this name';
      findings.lost(block.place, block.name, reason);
      return;
    }
    const id = `${block.name}.${block.label}`;
    const earlier = context.scope.instances.get(id);
    if (earlier !== undefined) {
      findings.lost(block.place, id, `is there twice, first at line ${earlier.place.line}`);
      return;
    }
    if (this.instances.length >= MAX_INSTANCES) {
      findings.lost(block.place, id, `more than ${MAX_INSTANCES} components`);
      return;
    }
    const label = this.#uniqueLabel(block.name, `${context.prefix}${block.label}`);
    const instance: Instance = {
      id,
      component: block.name,
      label,
      block,
      place: block.place,
      scope: context.scope,
    };
    context.scope.instances.set(id, instance);
    this.instances.push(instance);
  }

  #uniqueLabel(component: string, wanted: string): string {
    let label = wanted;
    for (let n = 2; this.#labels.has(`${component}.${label}`); n++) label = `${wanted}_${n}`;
    this.#labels.add(`${component}.${label}`);
    return label;
  }

  #custom(block: Block, declaration: Declaration, context: Context): void {
    if (block.label === undefined) {
      this.#options.findings.lost(block.place, block.name, 'a component needs a label');
      return;
    }
    const given = attributesOf(block);
    const exports = this.#instantiate(declaration.block.body, block, given, {
      scope: new Scope({ scope: declaration.scope, seesAll: false }),
      outer: context,
    });
    if (exports !== undefined) context.scope.customs.set(`${block.name}.${block.label}`, exports);
  }

  /** Loads the body of a custom component or module with its arguments; its exports by name. */
  #instantiate(
    body: readonly Statement[],
    block: Block,
    given: ReadonlyMap<string, Attribute>,
    { scope, outer }: { readonly scope: Scope; readonly outer: Context },
  ): ReadonlyMap<string, () => Value> | undefined {
    const { findings } = this.#options;
    if (!this.#mayExpand(block, outer)) return undefined;
    const names: string[] = [];
    for (const inner of body) {
      if (inner.kind !== 'block' || inner.name !== 'argument' || inner.label === undefined) continue;
      names.push(inner.label);
      scope.locals.set(
        `argument.${inner.label}.value`,
        this.#once(() => this.#argument(inner, block, given, outer.scope)),
      );
    }
    for (const [name, attribute] of given) {
      if (!names.includes(name))
        findings.lost(attribute.place, name, `${block.name} has no such argument${didYouMean(name, names)}`);
    }
    this.load(body, {
      scope,
      prefix: `${outer.prefix}${block.label ?? block.name}_`,
      depth: outer.depth + 1,
    });
    const exports = body.filter((s): s is Block => s.kind === 'block' && s.name === 'export');
    return new Map(
      exports.map((e) => [
        e.label ?? '',
        this.#once(() => {
          const value = attributesOf(e).get('value');
          return value === undefined ? NULL : this.evaluator.evaluate(value.value, scope);
        }),
      ]),
    );
  }

  #argument(argument: Block, use: Block, given: ReadonlyMap<string, Attribute>, outer: Scope): Value {
    const attribute = given.get(argument.label ?? '');
    if (attribute !== undefined) return this.evaluator.evaluate(attribute.value, outer);
    const own = attributesOf(argument);
    const fallback = own.get('default');
    if (fallback !== undefined) return this.evaluator.evaluate(fallback.value, outer);
    const optional = own.get('optional');
    if (optional?.value.kind === 'literal' && optional.value.value === true) return NULL;
    this.#options.findings.lost(use.place, use.name, `missing required attribute "${argument.label ?? ''}"`);
    return LOST;
  }

  /** What contains itself, or doubles with each level, has an end. */
  #mayExpand(block: Block, { depth }: Context): boolean {
    const { findings } = this.#options;
    if (depth >= MAX_DEPTH) {
      findings.lost(block.place, block.name, `contains itself, or is nested more than ${MAX_DEPTH} deep`);
      return false;
    }
    if (this.#expansions >= MAX_INSTANCES) {
      findings.lost(block.place, block.name, `more than ${MAX_INSTANCES} custom components and loops`);
      return false;
    }
    this.#expansions++;
    return true;
  }

  /** A value computed when first asked for; one that asks for itself is lost. */
  #once(compute: () => Value): () => Value {
    let state: 'new' | 'running' | { readonly value: Value } = 'new';
    return () => {
      if (state === 'running') return LOST;
      if (state === 'new') {
        state = 'running';
        state = { value: compute() };
      }
      return state.value;
    };
  }

  #import(block: Block, context: Context): void {
    const module = this.#moduleText(block, context);
    if (block.label === undefined) return;
    if (module === undefined) {
      this.unread.add(block.label);
      return;
    }
    const scope = new Scope();
    if (!this.#mayExpand(block, context)) return;
    const inner = module.filter((s): s is Block => s.kind === 'block');
    for (const declare of inner) {
      if (declare.name === 'declare' && declare.label !== undefined) {
        const declaration = { block: declare, scope };
        scope.declarations.set(declare.label, declaration);
        context.scope.declarations.set(`${block.label}.${declare.label}`, declaration);
      } else if (declare.name.startsWith('import.'))
        this.#import(declare, { ...context, scope, depth: context.depth + 1 });
    }
  }

  #module(block: Block, context: Context): void {
    const body = this.#moduleText(block, context);
    if (body === undefined || block.label === undefined) return;
    const args = block.body.find((s) => s.kind === 'block' && s.name === 'arguments');
    const given = args?.kind === 'block' ? attributesOf(args) : new Map<string, Attribute>();
    const exports = this.#instantiate(body, block, given, { scope: new Scope(), outer: context });
    if (exports === undefined) return;
    const all = (): Value => ({
      kind: 'object',
      fields: new Map([...exports].map(([name, value]) => [name, value()])),
    });
    context.scope.customs.set(`${block.name}.${block.label}`, new Map([['exports', all]]));
  }

  /** The statements of a module that is given as text or as a local file. */
  #moduleText(block: Block, context: Context): readonly Statement[] | undefined {
    const { findings, readModule } = this.#options;
    const kind = block.name.slice(block.name.indexOf('.') + 1);
    const attribute = attributesOf(block).get(kind === 'string' ? 'content' : 'filename');
    if ((kind !== 'string' && kind !== 'file') || attribute === undefined) {
      const reason =
        kind === 'string' || kind === 'file'
          ? 'has neither content nor filename'
          : 'modules are read of this host only: fetch it, and load it as a file';
      findings.lost(block.place, block.name, reason);
      return undefined;
    }
    const value = this.evaluator.evaluate(attribute.value, context.scope);
    if (value.kind === 'lost') return undefined;
    const path = value.kind === 'string' ? modulePath(value, kind) : undefined;
    const fixed = value.kind === 'string' ? fixedValue(value.text) : undefined;
    const text = path === undefined ? fixed : readModule(path);
    if (text === undefined) {
      const reason = path === undefined ? `its text is ${kindOf(value)}` : `cannot read the file ${path}`;
      findings.lost(attribute.place, block.name, reason);
      return undefined;
    }
    try {
      return parseRiver(text, path ?? `${attribute.place.file} (${block.name} "${block.label ?? ''}")`);
    } catch (error) {
      if (!(error instanceof SyntaxIssues)) throw error;
      for (const issue of error.issues) findings.lost(issue, block.name, issue.message);
      return undefined;
    }
  }

  #loop(block: Block, context: Context): void {
    const { findings } = this.#options;
    const attributes = attributesOf(block);
    const collection = attributes.get('collection');
    const name = attributes.get('var')?.value;
    const template = block.body.find((s): s is Block => s.kind === 'block' && s.name === 'template');
    const value = collection === undefined ? NULL : this.evaluator.evaluate(collection.value, context.scope);
    if (value.kind === 'lost') return;
    const isFixed =
      value.kind === 'array' && value.items.every((i) => i.kind !== 'export' && i.kind !== 'decoded');
    if (!isFixed || name?.kind !== 'literal' || typeof name.value !== 'string' || template === undefined) {
      findings.lost(
        block.place,
        block.name,
        'needs a collection that is known before the collector runs, a var and a template',
      );
      return;
    }
    for (const [index, item] of value.items.entries()) {
      if (!this.#mayExpand(block, context)) return;
      const scope = new Scope({ scope: context.scope, seesAll: true });
      scope.locals.set(name.value, () => item);
      const prefix = `${context.prefix}${block.label ?? 'foreach'}_${index + 1}_`;
      this.load(template.body, { scope, prefix, depth: context.depth + 1 });
    }
  }
}

/** Attributes of a block by name. */
function attributesOf(block: Block): ReadonlyMap<string, Attribute> {
  return new Map(block.body.filter((s) => s.kind === 'attribute').map((s) => [s.name, s]));
}

function modulePath(value: Extract<Value, { kind: 'string' }>, kind: string): string | undefined {
  if (kind === 'file') return fixedValue(value.text);
  const late = onlyLatePart(value.text);
  return late?.late === 'file' ? fixedValue(late.path) : undefined;
}
