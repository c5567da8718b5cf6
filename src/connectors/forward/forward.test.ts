// SPDX-License-Identifier: Apache-2.0
import { testConnectorContract } from '../../internal/testing/component-contract.ts';
import { forwardConnectorFactory } from './factory.ts';

testConnectorContract(forwardConnectorFactory, null);
