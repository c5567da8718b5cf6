// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { decodeOtlpDetailed } from '../../src/codecs/otlp/decode.ts';
import { encodeOtlp } from '../../src/codecs/otlp/encode.ts';
import { decodeOtlpJson, encodeOtlpJson } from '../../src/codecs/otlp/json.ts';
import type { Random } from '../../src/internal/testing/otlp-random.ts';
import { DecodeError } from '../../src/internal/wire-reader.ts';
import type { ProfilesBatch } from '../../src/pdata/profiles-batch.ts';
import { goProgram } from '../bench/peers.ts';
import { otlpCaptures, otlpSeed, outcomeOf, peerReads } from './otlp.ts';
import { resolvedMeaning } from './otlp-meaning.ts';
import { type FuzzTarget, type Outcome, unlessRefused } from './target.ts';

/** What pdata made of a request: why it refuses it, or the request written again. */
type Reread =
  | { readonly error: string }
  | { readonly error?: undefined; readonly proto?: string; readonly json?: string };

/** Go's pdata in a process of its own, which answers one request at a time. */
export class GoPdata {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;

  constructor(command: string) {
    this.#child = spawn(command, ['reread'], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  async read(kind: 'proto' | 'json', bytes: Uint8Array): Promise<Reread> {
    const head = Buffer.alloc(5);
    head.write(kind[0] ?? '');
    head.writeUInt32BE(bytes.length, 1);
    this.#child.stdin.write(Buffer.concat([head, bytes]));
    const { value } = (await this.#answers.next()) as { value: string | undefined };
    if (value === undefined) throw new Error('the Go peer is gone');
    return JSON.parse(value) as Reread;
  }

  /** Ends the process, which ends when its input does. */
  close(): void {
    this.#child.stdin.end();
    this.#lines.close();
  }
}

/** Starts it, or says why it cannot be. */
export function startGo(): GoPdata | { readonly missing: string } {
  const program = goProgram('reread');
  return 'missing' in program ? program : new GoPdata(program.command);
}

/** Why we refuse what pdata reads: everything that a later stage of a pipeline would stumble over. */
const STRICTER: readonly RegExp[] = [
  /index \d+ is out of range/,
  /negative index/,
  /sample with \d+ values and \d+ timestamps/,
  /string is not valid UTF-8/,
  /nested deeper than 32/,
  /bytes of memory, more than 3 times/,
  /varint longer than 64 bits|value over 32 bits/,
  /wire type [34]$/,
  /attribute with more than one value|attribute value of more than one kind/,
  /attribute with both a key and a reference to one/,
  /samples numbered as in OTLP 1\.9 and as in OTLP 1\.10/,
  /samples without a dictionary/,
];

/** Why pdata refuses what we read: a table that is not there has its zero row to us, and gets it when written. */
const LENIENT = /invalid string_value_strindex 0$/;

/** A request as 1.10 writes it, the only revision that pdata reads. */
function currentSeed(random: Random): Uint8Array {
  for (;;) {
    const seed = otlpSeed(random);
    if (unlessRefused(() => decodeOtlpDetailed(seed))?.revision === '1.10') return seed;
  }
}

/**
 * What pdata refuses, we refuse; what we refuse besides is for a reason in the list; and what both read says
 * the same, as protobuf and as JSON, read by either from what the other writes.
 */
export function goTarget(go: GoPdata): FuzzTarget {
  return {
    name: 'go',
    seed: currentSeed,
    captures: otlpCaptures,
    async run(input): Promise<Outcome> {
      const theirs = await go.read('proto', input);
      const ours = outcomeOf(() => decodeOtlpDetailed(input));
      if (ours instanceof DecodeError) {
        const isStricter = STRICTER.some((reason) => reason.test(ours.message));
        assert.ok(theirs.error !== undefined || isStricter, `pdata accepts: ${ours.message}`);
        return 'refused';
      }
      // Another revision on the wire: pdata reads other fields.
      if (ours.revision !== '1.10') return 'accepted';
      if (theirs.error !== undefined && (hasEntityReferences(ours.batch) || LENIENT.test(theirs.error)))
        return 'accepted';
      assert.equal(theirs.error, undefined, 'pdata refuses what we accept');
      await assertAgree(go, ours.batch, theirs);
      return 'accepted';
    },
  };
}

/** Entity references are unknown fields to us: passed on as they came and never looked at. */
const hasEntityReferences = (batch: ProfilesBatch): boolean =>
  batch.resources.some((rp) => rp.resource.unknown.length > 0);

async function assertAgree(go: GoPdata, batch: ProfilesBatch, theirs: Reread): Promise<void> {
  const meaningOf = (bytes: Uint8Array): string | undefined =>
    peerReads(batch, () => resolvedMeaning('1.10', bytes));
  const ours = meaningOf(encodeOtlp(batch, { revision: '1.10' }));
  if (ours === undefined || theirs.error !== undefined) return;
  assert.equal(meaningOf(Buffer.from(theirs.proto ?? '', 'base64')), ours, 'pdata reads something else');
  const theirJson = decodeOtlpJson(Buffer.from(theirs.json ?? '', 'base64'));
  assert.equal(meaningOf(encodeOtlp(theirJson, { revision: '1.10' })), ours, 'JSON of pdata');
  const ourJson = await go.read('json', encodeOtlpJson(batch));
  assert.equal(ourJson.error, undefined, 'pdata refuses our JSON');
  if (ourJson.error === undefined)
    assert.equal(meaningOf(Buffer.from(ourJson.proto ?? '', 'base64')), ours, 'our JSON to pdata');
}
