// SPDX-License-Identifier: Apache-2.0

/** What a profile knows of the file behind a mapping. */
export interface FileIdentity {
  /** The id by which files are found and checked: GNU's where there is one, else htlhash or Go's. */
  readonly buildId: string;
  /** Whether it is a GNU build id, by which directories and servers are organized. */
  readonly isGnu: boolean;
  /** As the mapping names it; may be a mere name. */
  readonly filename: string;
}

/** Hex, as the linker writes it: nothing else may become part of a path or URL. */
const GNU = /^[0-9a-f]{8,128}$/;

/** The identity in the attributes of a mapping, by key; undefined where they have none. */
export function identityOf(
  attributes: ReadonlyMap<string, string>,
  filename: string,
): FileIdentity | undefined {
  const gnu = attributes.get('process.executable.build_id.gnu')?.toLowerCase();
  if (gnu !== undefined && GNU.test(gnu)) return { buildId: gnu, isGnu: true, filename };
  const other =
    attributes.get('process.executable.build_id.htlhash') ?? attributes.get('process.executable.build_id.go');
  return other === undefined || other === '' ? undefined : { buildId: other, isGnu: false, filename };
}

/** Where a file with this GNU build id may lie below a directory: the layouts of distributions and of debuginfod. */
export function pathsBelow(directory: string, { buildId, isGnu }: FileIdentity): string[] {
  if (!isGnu) return [];
  const split = `${buildId.slice(0, 2)}/${buildId.slice(2)}`;
  return [
    `${directory}/.build-id/${split}.debug`,
    `${directory}/${split}.debug`,
    `${directory}/${buildId}/debuginfo`,
    `${directory}/${buildId}/executable`,
    `${directory}/${buildId}`,
    `${directory}/${buildId}.debug`,
  ];
}
