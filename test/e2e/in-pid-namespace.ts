// SPDX-License-Identifier: Apache-2.0
// Run in a pid namespace of its own: profiles for a moment and prints what pids it saw.
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { getText } from '../../src/pdata/attributes.ts';
import { configSchema } from '../../src/receivers/profiling/config.ts';
import { openSource } from '../../src/receivers/profiling/source.ts';

const [burn = ''] = process.argv.slice(2);
const child = spawn(burn, [], { stdio: 'ignore' });
const config = configSchema.parse({ samples_per_second: 199, pid_namespace_translation: true });
const scope = { name: 'test', version: '1', attributes: [], droppedAttributesCount: 0 };
const { source } = await openSource(config, scope, false);
await delay(1500);
const batch = await source.collect();
await source.stop();
child.kill('SIGKILL');
const pids = batch?.resources.map((r) => getText(r.resource.attributes, 'process.pid'));
console.log(
  JSON.stringify({ child: child.pid, pids, outside: source.stats()['drop_filtered_pid_namespace'] }),
);
