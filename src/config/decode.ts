// SPDX-License-Identifier: Apache-2.0
import type * as z from 'zod';
import type { IssueList } from './config-error.ts';
import { issueMessage, mismatches, refusalsOf } from './errors.ts';
import { changeAt, type Tree, type TreePath, toPlain } from './tree.ts';

/** What a schema made of a section, and the section as it was finally read. */
export interface Decoded<Config> {
  readonly config: Config;
  readonly input: unknown;
}

/**
 * Checks a section against its schema. A key of type string receives the text that `${…}` gave and not
 * what YAML made of it; a null leaves the default. Adds every refusal to `issues` and gives undefined
 * where there is one.
 */
export function decodeSection<Config>(
  schema: z.ZodType<Config>,
  section: Tree,
  path: TreePath,
  issues: IssueList,
): Decoded<Config> | undefined {
  for (let tree = section; ; ) {
    const input = toPlain(tree);
    const result = schema.safeParse(input, { error: issueMessage, reportInput: true });
    if (result.success) return { config: result.data, input };
    const relaxed = relax(tree, result.error.issues);
    if (relaxed === tree) {
      for (const refusal of refusalsOf(result.error.issues, schema)) {
        const at = [...path, ...refusal.path];
        if (refusal.kind === 'value') issues.add(at, refusal.message);
        else issues.addUnknownKey(at, refusal.key, refusal.known);
      }
      return undefined;
    }
    tree = relaxed;
  }
}

/** The tree with texts in the place of expanded values, and without nulls, where the schema did not want them. */
function relax(tree: Tree, issues: readonly z.core.$ZodIssue[]): Tree {
  return mismatches(issues).reduce<Tree>(
    (current, { path, wantsText }) =>
      changeAt(current, path, (node) => {
        if (wantsText && node.original !== undefined)
          return { kind: 'scalar', value: node.original, place: node.place };
        return node.kind === 'scalar' && node.value === null && node.original === undefined
          ? undefined
          : node;
      }),
    tree,
  );
}
