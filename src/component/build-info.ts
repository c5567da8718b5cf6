// SPDX-License-Identifier: Apache-2.0

export interface BuildInfo {
  /** Command name, also the User-Agent's product. */
  readonly command: string;
  readonly description: string;
  readonly version: string;
}
