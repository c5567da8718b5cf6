// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { effectiveTag, imageVersion, parseImage, repoDigest } from './image-reference.ts';

const digest = `sha256:${'0d17'.repeat(16)}`;
const images: [string, string, string, string][] = [
  ['nginx', 'nginx', 'latest', ''],
  ['nginx:1.27', 'nginx', '1.27', '1.27'],
  ['localhost:5000/nginx', 'localhost:5000/nginx', 'latest', ''],
  ['reg.example.org:5000/a/b:v2', 'reg.example.org:5000/a/b', 'v2', 'v2'],
  [`ghcr.io/a/b@${digest}`, 'ghcr.io/a/b', '', digest],
  [`ghcr.io/a/b:v1@${digest}`, 'ghcr.io/a/b', 'v1', `v1@${digest}`],
];

for (const [image, repository, tag, version] of images) {
  test(`the image ${image}`, () => {
    const parsed = parseImage(image);
    assert.ok(parsed);
    assert.deepEqual(
      [parsed.repository, effectiveTag(parsed), imageVersion(parsed)],
      [repository, tag, version],
    );
  });
}

test('what is no image name is none', () => {
  for (const text of ['', 'a b', 'nginx@sha256:short', '@', `@${digest}`])
    assert.equal(parseImage(text), undefined, text);
});

test('the digest of an image id is kept with its repository', () => {
  assert.equal(repoDigest(`docker-pullable://ghcr.io/a/b@${digest}`), `ghcr.io/a/b@${digest}`);
  assert.equal(repoDigest(`docker.io/library/nginx@${digest}`), `docker.io/library/nginx@${digest}`);
  assert.equal(repoDigest(digest), '');
  assert.equal(repoDigest(''), '');
});
