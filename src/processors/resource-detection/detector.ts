// SPDX-License-Identifier: Apache-2.0
import type { Attributes } from '../../pdata/attributes.ts';

/** Finds attributes of the place where this process runs. */
export interface Detector {
  readonly name: string;
  /** Rejects where the source cannot be asked; `signal` aborts at the timeout. */
  detect(signal: AbortSignal): Promise<Attributes>;
}
