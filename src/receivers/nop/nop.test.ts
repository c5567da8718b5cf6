// SPDX-License-Identifier: Apache-2.0
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { nopReceiverFactory } from './factory.ts';

testComponentContract(nopReceiverFactory, null);
