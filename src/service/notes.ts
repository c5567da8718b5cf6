// SPDX-License-Identifier: Apache-2.0
import type { AnyFactory } from '../component/factory.ts';
import type { Logger } from '../component/telemetry.ts';
import type { ConfiguredComponent } from '../config/loaded-config.ts';

/** Says what to expect of a component that is not stable yet. */
export function noteStability({ factory }: ConfiguredComponent<AnyFactory>, logger: Logger): void {
  switch (factory.stability) {
    case 'development':
      return logger.info('Development component. May change in the future.');
    case 'alpha':
      return logger.info('Alpha component. May change in the future.');
    case 'deprecated':
      return logger.warn('Deprecated component. Will be removed in future releases.');
    case 'unmaintained':
      return logger.warn('Unmaintained component. Actively looking for contributors.');
    default:
      return undefined;
  }
}

/** Warns of a processor that works only at the front of its pipeline and stands elsewhere. */
export function notePlace(
  { id, factory }: ConfiguredComponent<AnyFactory>,
  index: number,
  logger: Logger,
): void {
  if (factory.kind === 'processor' && factory.place === 'first' && index > 0) {
    logger.warn(`"${id.text}" should be the first processor of its pipeline, it is number ${index + 1}`);
  }
}
