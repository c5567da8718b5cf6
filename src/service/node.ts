// SPDX-License-Identifier: Apache-2.0
import type { Component, Kind, Settings } from '../component/component.ts';
import type { AnyFactory } from '../component/factory.ts';
import type { ComponentId } from '../component/id.ts';
import type { ConfiguredComponent } from '../config/loaded-config.ts';
import type { Outlet } from './outlet.ts';

/** A component that was built and its place in the service. */
export interface Node<C extends Component = Component> {
  readonly kind: Kind;
  readonly id: ComponentId;
  /** For messages: `"batch" processor in pipeline "profiles"`. */
  readonly label: string;
  /** The pipeline of a processor; each has instances of its own. */
  readonly pipeline?: string;
  readonly settings: Settings;
  readonly configured: ConfiguredComponent<AnyFactory>;
  readonly component: C;
  /** Where it sends to, if it is one that sends. */
  readonly outlet?: Outlet;
  /** Takes what is observed of it off the metrics page. */
  forget(): void;
}
