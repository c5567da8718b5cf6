// SPDX-License-Identifier: Apache-2.0
import type { Pod } from '../../discovery/kubernetes/objects.ts';
import type { Identity } from './association.ts';

/** Identities of pods that are gone; the oldest are forgotten before their time beyond this. */
const MAX_DOOMED = 100_000;

interface Entry {
  readonly pod: Pod;
  readonly identities: ReadonlySet<Identity>;
}

interface Doomed {
  readonly dueMs: number;
  readonly uid: string;
  readonly identity: Identity;
}

/**
 * Pods by identity. What a pod no longer has (a deleted pod, a restarted container) is found for the
 * grace period still, because its last profiles arrive late. Where two pods claim an identity, the one
 * that started last has it.
 */
export class PodTable {
  readonly #graceMs: number;
  readonly #entries = new Map<string, Entry>();
  readonly #byIdentity = new Map<Identity, Pod>();
  #doomed: Doomed[] = [];

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** Pods that exist. */
  get size(): number {
    return this.#entries.size;
  }

  find(identity: Identity): Pod | undefined {
    return this.#byIdentity.get(identity);
  }

  known(uid: string): Pod | undefined {
    return this.#entries.get(uid)?.pod;
  }

  upsert(pod: Pod, identities: readonly Identity[], nowMs: number): void {
    const current = new Set(identities);
    const before = this.#entries.get(pod.uid)?.identities ?? new Set();
    this.#entries.set(pod.uid, { pod, identities: current });
    for (const identity of current) {
      const holder = this.#byIdentity.get(identity);
      if (holder === undefined || holder.uid === pod.uid || pod.startedAtMs >= holder.startedAtMs) {
        this.#byIdentity.set(identity, pod);
      }
    }
    for (const identity of before) if (!current.has(identity)) this.#doom(pod.uid, identity, nowMs);
  }

  /** False where the pod was not known. */
  remove(uid: string, nowMs: number): boolean {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return false;
    this.#entries.delete(uid);
    for (const identity of entry.identities) this.#doom(uid, identity, nowMs);
    return true;
  }

  /** Forgets what is over its grace period; true where anything was. */
  purge(nowMs: number): boolean {
    const excess = this.#doomed.length - MAX_DOOMED;
    const keepFrom = this.#doomed.findIndex((doomed, i) => doomed.dueMs > nowMs && i >= excess);
    const due = keepFrom < 0 ? this.#doomed : this.#doomed.slice(0, keepFrom);
    if (due.length === 0) return false;
    this.#doomed = keepFrom < 0 ? [] : this.#doomed.slice(keepFrom);
    for (const { uid, identity } of due) {
      if (this.#byIdentity.get(identity)?.uid !== uid) continue;
      if (this.#entries.get(uid)?.identities.has(identity) !== true) this.#byIdentity.delete(identity);
    }
    return true;
  }

  #doom(uid: string, identity: Identity, nowMs: number): void {
    this.#doomed.push({ dueMs: nowMs + this.#graceMs, uid, identity });
  }
}
