// SPDX-License-Identifier: Apache-2.0
// `npm run test:peers`: a Go Collector out of published modules as judge, sender and receiver. With `-- --record` its
// verdicts are written into test/config/brought.
import { needGoCollector } from './go-collector.ts';
import { testRelay } from './relay.ts';
import { testTestdata } from './testdata.ts';
import { testVerdicts } from './verdicts.ts';

const binary = await needGoCollector();
testVerdicts(binary, process.argv.includes('--record'));
testTestdata(binary);
testRelay(binary);
