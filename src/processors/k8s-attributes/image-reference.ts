// SPDX-License-Identifier: Apache-2.0

/** The parts of a container image's name as a pod writes it; absent parts are empty. */
export interface ImageReference {
  readonly repository: string;
  readonly tag: string;
  /** `sha256:…` */
  readonly digest: string;
}

const DIGEST = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}$/;

/** Undefined for what is no image name. A colon after the last slash begins the tag; one before it a port. */
export function parseImage(image: string): ImageReference | undefined {
  const at = image.indexOf('@');
  const name = at < 0 ? image : image.slice(0, at);
  const digest = at < 0 ? '' : image.slice(at + 1);
  if (name === '' || /\s/.test(name) || (at >= 0 && !DIGEST.test(digest))) return undefined;
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  return {
    repository: colon < 0 ? name : name.slice(0, colon),
    tag: colon < 0 ? '' : name.slice(colon + 1),
    digest,
  };
}

/** The tag that is pulled: `latest` where neither tag nor digest is given. */
export function effectiveTag({ tag, digest }: ImageReference): string {
  return tag === '' && digest === '' ? 'latest' : tag;
}

/** `tag@digest`, or what there is of it: how the semantic conventions calculate service.version. */
export function imageVersion({ tag, digest }: ImageReference): string {
  return [tag, digest].filter((part) => part !== '').join('@');
}

/** `docker-pullable://nginx@sha256:…` → `nginx@sha256:…`; empty where the id carries no repository. */
export function repoDigest(imageId: string): string {
  const bare = imageId.includes('://') ? imageId.slice(imageId.indexOf('://') + 3) : imageId;
  const parsed = parseImage(bare);
  return parsed === undefined || parsed.digest === '' ? '' : `${parsed.repository}@${parsed.digest}`;
}
