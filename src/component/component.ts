// SPDX-License-Identifier: Apache-2.0
import type { ProfilesConsumer } from '../consumer/consumer.ts';
import type { Authenticating } from './authenticator.ts';
import type { BuildInfo } from './build-info.ts';
import type { ComponentId } from './id.ts';
import type { ServiceView } from './service-view.ts';
import type { StatusEvent } from './status.ts';
import type { Telemetry } from './telemetry.ts';

export type { BuildInfo } from './build-info.ts';
export type { Kind, Stability } from './kind.ts';
export type { StatusEvent } from './status.ts';

/** What a started component may ask of the service around it. */
export interface Host {
  /** Started extensions by id text. */
  readonly extensions: ReadonlyMap<string, Extension>;
  /** The service around the component, for extensions that show it. */
  readonly service: ServiceView;
  /** A fatal error stops the whole collector with a non-zero exit code. */
  reportStatus(event: StatusEvent): void;
}

/**
 * A part of the running collector.
 *
 * `start` resolves once the component accepts work and does not outlive `signal`. `shutdown` may be
 * called without `start` and more than once; it resolves when everything that was accepted is passed
 * on or counted as lost, at the latest soon after `deadline` aborts. Consumers downstream are still
 * running while a component shuts down.
 */
export interface Component {
  start(host: Host, signal: AbortSignal): Promise<void>;
  shutdown(deadline: AbortSignal): Promise<void>;
}

export interface Receiver extends Component {}
export interface Processor extends Component, ProfilesConsumer {}
export interface Exporter extends Component, ProfilesConsumer {}
/** The end of some pipelines and the beginning of others. */
export interface Connector extends Component, ProfilesConsumer {}

/** A part beside the pipelines. It starts before them and stops after them. */
export interface Extension extends Component, Authenticating {
  /** Called once every pipeline accepts work. */
  ready?(): void;
  /** Called when the pipelines are about to stop. */
  notReady?(): void;
}

/** What the code passes to a component, beside the `Config` that the user wrote. */
export interface Settings extends Telemetry {
  readonly id: ComponentId;
  readonly build: BuildInfo;
}
