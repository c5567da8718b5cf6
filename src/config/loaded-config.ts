// SPDX-License-Identifier: Apache-2.0
import type {
  ConnectorFactory,
  ExporterFactory,
  ExtensionFactory,
  ProcessorFactory,
  ReceiverFactory,
} from '../component/factory.ts';
import type { ComponentId } from '../component/id.ts';
import type { ServiceConfig } from './service-section.ts';

/** A configured component: its factory and what the factory's schema made of its section. */
export interface ConfiguredComponent<Factory> {
  readonly id: ComponentId;
  readonly factory: Factory;
  readonly config: unknown;
}

/** Configured components of one kind by id text. */
type ConfiguredComponents<Factory> = ReadonlyMap<string, ConfiguredComponent<Factory>>;

/** A plain value of a configuration, as YAML or JSON can hold it. */
export type PlainValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly PlainValue[]
  | { readonly [key: string]: PlainValue };

/** A configuration that passed every check. Ids in `service` always name an entry of the maps. */
export interface LoadedConfig {
  readonly receivers: ConfiguredComponents<ReceiverFactory<unknown>>;
  readonly processors: ConfiguredComponents<ProcessorFactory<unknown>>;
  readonly exporters: ConfiguredComponents<ExporterFactory<unknown>>;
  readonly connectors: ConfiguredComponents<ConnectorFactory<unknown>>;
  readonly extensions: ConfiguredComponents<ExtensionFactory<unknown>>;
  readonly service: ServiceConfig;
  /** The whole configuration with every default filled in; secrets are `Secret` placeholders unless asked for. */
  effective(options: { readonly redact: boolean }): PlainValue;
  /** What the user should know though nothing is wrong, one line each with its place. */
  readonly warnings: readonly string[];
}
