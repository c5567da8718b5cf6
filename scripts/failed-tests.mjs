// SPDX-License-Identifier: Apache-2.0
// A reporter of node:test that writes down what failed and why, and nothing else: for the end of a long output.

/** Of a failure that prints a whole profile the beginning is enough. */
const MAX_CHARACTERS = 4_000;

/** A test that failed because of one within it says nothing that the inner one does not. */
const isOwn = ({ details: { error } }) => error?.failureType !== 'subtestsFailed';

function textOf(error) {
  const cause = error?.cause ?? error;
  const text = String(cause?.stack ?? cause);
  return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)} …` : text;
}

export default async function* failedTests(source) {
  for await (const { type, data } of source) {
    if (type !== 'test:fail' || data.todo || !isOwn(data)) continue;
    yield `✖ ${data.name} (${data.file}:${data.line})\n${textOf(data.details.error)}\n\n`;
  }
}
