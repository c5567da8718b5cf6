// SPDX-License-Identifier: Apache-2.0

export type GateStage = 'alpha' | 'beta' | 'stable' | 'deprecated';

export interface FeatureGate {
  readonly id: string;
  readonly stage: GateStage;
  readonly description: string;
  readonly enabled: boolean;
  /** Version of this program since which there is the gate. */
  readonly since?: string | undefined;
  /** Version in which it goes away, where that is known. */
  readonly until?: string | undefined;
  /** Where to read more. */
  readonly reference?: string | undefined;
}

/** Feature gates and what the command line made of them. Alpha gates start off, beta and stable ones on. */
export class FeatureGates {
  readonly #gates = new Map<string, FeatureGate>();

  register(
    id: string,
    stage: GateStage,
    description: string,
    more: Pick<FeatureGate, 'since' | 'until' | 'reference'> = {},
  ): void {
    const enabled = stage === 'beta' || stage === 'stable';
    this.#gates.set(id, { id, stage, description, enabled, ...more });
  }

  list(): readonly FeatureGate[] {
    return [...this.#gates.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  isEnabled(id: string): boolean {
    return this.#gates.get(id)?.enabled ?? false;
  }

  /** `a,+b,-c`; throws Error with Go's wording where an id is unknown, empty or cannot be set so. */
  apply(list: string): void {
    list.split(',').forEach((text, index) => {
      const entry = text.trim();
      const id = entry.replace(/^[+-]/, '');
      const enabled = !entry.startsWith('-');
      if (id === '') throw new Error(`feature gate at index ${index} is empty`);
      const gate = this.#gates.get(id);
      if (gate === undefined) {
        const valid = this.list().map((g) => g.id);
        throw new Error(`no such feature gate "${id}". valid gates: [${valid.join(' ')}]`);
      }
      if (gate.stage === 'stable' && !enabled)
        throw new Error(`feature gate "${id}" is stable, can not be disabled`);
      if (gate.stage === 'deprecated' && enabled) {
        throw new Error(`feature gate "${id}" is deprecated, can not be enabled`);
      }
      this.#gates.set(id, { ...gate, enabled });
    });
  }
}

export const PROFILES_SUPPORT = 'service.profilesSupport';

/** The gates of this distribution. Profiles are the one signal here, so their gate is on by default. */
export function defaultFeatureGates(): FeatureGates {
  const gates = new FeatureGates();
  gates.register(PROFILES_SUPPORT, 'beta', 'Controls whether profiles support can be enabled', {
    since: 'v0.1.0',
    reference: 'https://github.com/open-telemetry/opentelemetry-collector/pull/11477',
  });
  return gates;
}
