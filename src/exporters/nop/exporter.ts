// SPDX-License-Identifier: Apache-2.0
import type { Exporter, Settings } from '../../component/component.ts';
import { createExporterHelper } from '../helper/exporter-helper.ts';

/** Takes everything, counts it as sent and forgets it. */
export function createNopExporter(settings: Settings): Exporter {
  return createExporterHelper(settings, {}, () => Promise.resolve());
}
