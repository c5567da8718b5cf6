// SPDX-License-Identifier: Apache-2.0

/**
 * User and password of a URL as the value of a header for basic authentication, or undefined where it has neither. A user
 * without a password is one with an empty password, as Go's clients send it: there are proxies whose user is a key.
 */
export function basicCredentials({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  return `Basic ${Buffer.from(`${decoded(username)}:${decoded(password)}`).toString('base64')}`;
}

/** URL leaves a `%` that begins no escape as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Credentials of a proxy's URL as an option of undici's ProxyAgent, which finds them by itself only where there are both. */
export function proxyToken(proxy: string): { token?: string } {
  const token = basicCredentials(new URL(proxy));
  return token === undefined ? {} : { token };
}
