// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bodyFault } from './body-check.ts';

const BINARY = 'application/octet-stream';
const PPROF = Buffer.from('0a04080110021a00', 'hex');

/** A good body of a type, or without one, and what is wrong with it. */
const types: readonly (readonly [type: string | undefined, fault: string | undefined])[] = [
  [BINARY, undefined],
  ['Application/Octet-Stream; charset=binary', undefined],
  [undefined, 'missing Content-Type header'],
  ['', 'missing Content-Type header'],
  ['text/plain', 'unexpected Content-Type text/plain, expected application/octet-stream for pprof data'],
  [
    'x-application/octet-stream',
    'unexpected Content-Type x-application/octet-stream, expected application/octet-stream for pprof data',
  ],
];

const textFault = (shown: string): string =>
  `text response instead of pprof: ${JSON.stringify(shown)} (server should return HTTP error, not 200)`;

const JSON_OBJECT = '{"error":"not found"}';
const JSON_ARRAY = '["error","not found"]';
const TEXTS = [
  '<!DOCTYPE html>',
  '<html lang="en">',
  '<head></head>',
  '<BODY>no</BODY>',
  '<?xml version="1.0"?>',
];

/** Bodies of the right type. */
const bodies: readonly (readonly [what: string, body: Uint8Array, fault: string | undefined])[] = [
  ['nothing', Buffer.alloc(0), 'empty response from profiling endpoint'],
  ['protobuf', PPROF, undefined],
  ...TEXTS.map((text) => [text, Buffer.from(text), textFault(text)] as const),
  ['HTML behind blanks', Buffer.from(' \r\n\t<html></html>'), textFault(' \r\n\t<html></html>')],
  ['an object of JSON', Buffer.from(JSON_OBJECT), textFault(JSON_OBJECT)],
  ['an array of JSON', Buffer.from(JSON_ARRAY), textFault(JSON_ARRAY)],
  [
    'a long text, of which 50 bytes are shown',
    Buffer.from(`{${'x'.repeat(99)}`),
    textFault(`{${'x'.repeat(49)}`),
  ],
  // They may be the first field of a message: 15 and 11, groups that nobody reads.
  ['20 bytes that begin as JSON does', Buffer.from(JSON_OBJECT.slice(0, 20)), undefined],
  ['20 bytes that begin as an array does', Buffer.from(JSON_ARRAY.slice(0, 20)), undefined],
  ['9 bytes that begin as HTML does', Buffer.from('<html></h'), undefined],
  ['HTML that is not at the start', Buffer.concat([PPROF, Buffer.from('<html></html>')]), undefined],
  ['HTML behind 64 blanks, where nobody looks', Buffer.from(`${' '.repeat(64)}<html>`), undefined],
  ['two bytes', PPROF.subarray(0, 2), 'data too short for pprof format'],
  ['three bytes', PPROF.subarray(0, 3), undefined],
  ['gzip data', Buffer.from('1f8b0800', 'hex'), undefined],
  [
    'what begins as gzip data and goes on otherwise',
    Buffer.from('1f080800', 'hex'),
    'invalid protobuf data: illegal wireType 7 (expected 0-5), first bytes: 1f080800',
  ],
  [
    'a wire type that there is not',
    Buffer.from('0e8b08000102030405060708090a0b0c0d0e0f', 'hex'),
    'invalid protobuf data: illegal wireType 6 (expected 0-5), first bytes: 0e8b08000102030405060708090a0b0c',
  ],
  ['the last wire type that there is', Buffer.from('0d0000', 'hex'), undefined],
];

describe('the body of a good answer', () => {
  for (const [type, fault] of types)
    it(`of type ${JSON.stringify(type)} is ${fault === undefined ? 'taken' : 'refused'}`, () => {
      assert.equal(bodyFault(PPROF, type), fault);
    });

  for (const [what, body, fault] of bodies)
    it(`that is ${what} is ${fault === undefined ? 'taken' : 'refused'}`, () => {
      assert.equal(bodyFault(body, BINARY), fault);
    });

  it('is told of by its first fault', () => {
    assert.equal(bodyFault(Buffer.alloc(0), undefined), 'empty response from profiling endpoint');
    assert.equal(
      bodyFault(Buffer.from(TEXTS[0] ?? ''), 'text/html'),
      'unexpected Content-Type text/html, expected application/octet-stream for pprof data',
    );
  });
});
