// SPDX-License-Identifier: Apache-2.0
import type { Era } from './components/table.ts';
import { ConfigurationWriter } from './configuration-writer.ts';
import { loadProgram } from './evaluate/program.ts';
import { type Finding, Findings } from './findings.ts';
import type { Place } from './place.ts';
import { parseRiver } from './syntax/parser.ts';
import { writeForCheck, writeYaml } from './yaml/write.ts';

/** What to convert, and what of the host a conversion may look at. */
export interface ConvertOptions {
  readonly era: Era;
  /** Name of the file in messages. */
  readonly file: string;
  /** Variables of this host: for comparisons, which have to be decided now, and for the check. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A module's text, or undefined where there is none to read. */
  readonly readModule: (path: string) => string | undefined;
}

/** A configuration of another collector as one of this. */
export interface Converted {
  /** Undefined where nothing in the file is about profiles. */
  readonly yaml: string | undefined;
  /** The same with what is known only where it will run replaced by samples, so that it can be checked here. */
  readonly yamlForCheck: string | undefined;
  readonly findings: readonly Finding[];
  /** Where a key of the result comes from, by its path; undefined where nothing of the file is near. */
  readonly placeOf: (path: readonly string[]) => Place | undefined;
}

/** Converts River, or Alloy's syntax, to YAML. Throws SyntaxIssues where the text is neither. */
export function convert(text: string, options: ConvertOptions): Converted {
  const findings = new Findings();
  const { era, file, environment, readModule } = options;
  const program = loadProgram(parseRiver(text, file), { findings, environment, readModule });
  const root = new ConfigurationWriter(program, { era, findings, evaluator: program.evaluator }).write();
  const found = findings.sorted;
  if (root === undefined) {
    return { yaml: undefined, yamlForCheck: undefined, findings: found, placeOf: () => undefined };
  }
  const lost = found.filter((finding) => finding.kind === 'lost');
  const header = [
    `Converted from ${file} by otelcol-profiles convert --from ${era}.`,
    ...(lost.length === 0 ? [] : ['', 'Not carried:']),
    ...lost.map(({ place, what, reason }) => `  line ${place.line}: ${what}: ${reason}`),
  ];
  return {
    yaml: writeYaml(root, header),
    yamlForCheck: writeForCheck(root, header, environment),
    findings: found,
    placeOf: (path) => root.placeOf(path),
  };
}
