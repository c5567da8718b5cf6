// SPDX-License-Identifier: Apache-2.0
import type { Processor, Settings } from '../../component/component.ts';
import { resourceProcessor } from '../../component/resource-processor.ts';
import type { ProfilesConsumer } from '../../consumer/consumer.ts';
import { withResourceAttributes } from '../../pdata/profiles-batch.ts';
import type { Config } from './config.ts';

export function createResourceProcessor(
  _settings: Settings,
  config: Config,
  next: ProfilesConsumer,
): Processor {
  return resourceProcessor(next, (resource) => {
    const attributes = config.attributes.reduce((all, action) => action(all), resource.resource.attributes);
    return withResourceAttributes(resource, attributes);
  });
}
