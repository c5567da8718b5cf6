// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { parseHtpasswd } from './htpasswd.ts';
import { md5Crypt } from './md5-crypt.ts';

describe('an htpasswd text', () => {
  it('knows the forms that htpasswd writes', async () => {
    const users = parseHtpasswd(`# a comment
bcrypt:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW
bcrypt-y:$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\r
sha:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=
ssha:{SSHA}${Buffer.alloc(20).toString('base64')}

plain:pass:word
`);
    assert.deepEqual([...users.keys()], ['bcrypt', 'bcrypt-y', 'sha', 'ssha', 'plain']);
    const check = (user: string, password: string) => users.get(user)?.isMadeOf(password);
    assert.deepEqual([await check('bcrypt', 'U*U'), await check('bcrypt', 'U*U*')], [true, false]);
    assert.deepEqual([await check('bcrypt-y', 'U*U'), await check('bcrypt-y', '')], [true, false]);
    assert.deepEqual([await check('sha', 'password'), await check('sha', 'Password')], [true, false]);
    assert.deepEqual([await check('plain', 'pass:word'), await check('plain', 'pass')], [true, false]);
    assert.equal(await check('ssha', 'password'), false);
  });

  it('hashes as openssl does, with passwords of every length', async () => {
    for (const magic of ['$apr1$', '$1$'] as const) {
      for (const length of [1, 7, 15, 16, 17, 33, 64]) {
        const password = 'p'.repeat(length - 1) + 'q';
        const args = ['passwd', magic === '$1$' ? '-1' : '-apr1', '-salt', 'Salt./12', password];
        const line = execFileSync('openssl', args, { encoding: 'utf8' }).trim();
        assert.equal(`${magic}Salt./12$${md5Crypt(password, 'Salt./12', magic)}`, line, `${length}`);
        const users = parseHtpasswd(`u:${line}`);
        assert.equal(await users.get('u')?.isMadeOf(password), true);
        assert.equal(await users.get('u')?.isMadeOf(`${password}q`), false);
      }
    }
  });

  it('knows a salted SHA-1 with its salt', async () => {
    const digest = execFileSync('openssl', ['dgst', '-sha1', '-binary'], { input: 'passwordsalt' });
    const users = parseHtpasswd(`u:{SSHA}${Buffer.concat([digest, Buffer.from('salt')]).toString('base64')}`);
    assert.equal(await users.get('u')?.isMadeOf('password'), true);
    assert.equal(await users.get('u')?.isMadeOf('passwordsalt'), false);
  });

  it('takes the last line of a user', async () => {
    assert.equal(await parseHtpasswd('u:one\nu:two').get('u')?.isMadeOf('two'), true);
  });

  it('names the line that is at fault, and nothing that is in it', () => {
    const cases = [
      ['u:good\nsecret', 'line 2 is not "user:password"'],
      [':secret', 'line 1 is not "user:password"'],
      ['u:', 'line 1 has an empty password'],
      ['u:$6$secret$x', /line 1 is in a form that is not supported/],
      ['u:$2y$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', /bcrypt cost 31 is not between/],
      ['u:{SHA}secret', 'line 1 is no SHA-1 digest'],
    ] as const;
    for (const [text, message] of cases) {
      assert.throws(() => parseHtpasswd(text), { message });
      assert.throws(
        () => parseHtpasswd(text),
        (error) => !String(error).includes('secret'),
      );
    }
  });
});
