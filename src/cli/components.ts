// SPDX-License-Identifier: Apache-2.0
import { stringify } from 'yaml';
import { type AnyFactory, loadAllFactories } from '../component/factory.ts';
import { PROVIDER_SCHEMES } from '../config/providers.ts';
import { BUILD } from './build-info.ts';
import type { Invocation } from './command.ts';

/** Prints what this distribution is made of, in the shape of the Collector's `components`. */
export async function components({ io }: Invocation): Promise<number> {
  const { receivers, processors, exporters, connectors, extensions } = await loadAllFactories(
    await io.loadDistribution(),
  );
  io.stdout(
    stringify({
      buildinfo: { command: BUILD.command, description: BUILD.description, version: BUILD.version },
      receivers: receivers.map(describe),
      processors: processors.map(describe),
      exporters: exporters.map(describe),
      connectors: connectors.map(describe),
      extensions: extensions.map(describe),
      providers: PROVIDER_SCHEMES.map((scheme) => ({ scheme })),
    }),
  );
  return 0;
}

function describe({ type, kind, aliases, stability }: AnyFactory): object {
  return {
    name: type,
    module: `${BUILD.command}/${kind}s/${type.replaceAll('_', '-')} v${BUILD.version}`,
    ...(aliases !== undefined && { aliases }),
    stability: { [kind === 'extension' ? 'extension' : 'profiles']: stability },
  };
}
