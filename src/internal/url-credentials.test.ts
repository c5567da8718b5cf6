// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { basicCredentials } from './url-credentials.ts';

it('user and password of a URL become those of basic authentication', () => {
  const told = (url: string): string | undefined => {
    const header = basicCredentials(new URL(url));
    return header && Buffer.from(header.replace('Basic ', ''), 'base64').toString();
  };
  assert.equal(told('http://a'), undefined);
  assert.equal(told('http://user:word@a'), 'user:word');
  assert.equal(told('http://key@a'), 'key:');
  assert.equal(told('http://:word@a'), ':word');
  assert.equal(told('http://k%40y:w%3Ard@a'), 'k@y:w:rd');
  assert.equal(told('http://100%:w@a'), '100%:w');
});
