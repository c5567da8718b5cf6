// SPDX-License-Identifier: Apache-2.0
import type { Component, Kind, Settings, Stability } from '../component/component.ts';
import type { ComponentId } from '../component/id.ts';

/** A component that was built and its place in the service. */
export interface Node<C extends Component = Component> {
  readonly kind: Kind;
  readonly id: ComponentId;
  /** For messages: `"batch" processor in pipeline "profiles"`. */
  readonly label: string;
  readonly stability: Stability;
  /** Of a processor: the pipeline that it belongs to. */
  readonly pipeline?: string;
  readonly settings: Settings;
  readonly component: C;
}
