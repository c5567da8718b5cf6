// SPDX-License-Identifier: Apache-2.0
import type { Meter } from '../../component/telemetry.ts';
import { measureLoopDelay } from './loop-delay.ts';

/**
 * Metrics of this process under the Collector's names, and how late the event loop runs. The
 * measurement of the event loop goes on until `stop`.
 */
export function observeProcess(meter: Meter): { start(): void; stop(): void } {
  const one = (value: number) => [{ value }];
  meter.observe('counter', 'process_uptime', 'Uptime of the process in seconds', [], () =>
    one(process.uptime()),
  );
  meter.observe('counter', 'process_cpu_seconds', 'Total CPU user and system time in seconds', [], () => {
    const { user, system } = process.cpuUsage();
    return one((user + system) / 1e6);
  });
  meter.observe('gauge', 'process_memory_rss', 'Total physical memory (resident set size) in bytes', [], () =>
    one(process.memoryUsage.rss()),
  );
  meter.observe(
    'gauge',
    'process_runtime_heap_alloc_bytes',
    'Bytes in use on the JavaScript heap and in buffers outside of it',
    [],
    () => {
      const { heapUsed, external } = process.memoryUsage();
      return one(heapUsed + external);
    },
  );
  meter.observe(
    'gauge',
    'process_runtime_total_sys_memory_bytes',
    'Bytes the runtime obtained from the system for the JavaScript heap and buffers',
    [],
    () => {
      const { heapTotal, external } = process.memoryUsage();
      return one(heapTotal + external);
    },
  );

  const delay = measureLoopDelay();
  meter.observe(
    'gauge',
    'process_event_loop_delay_p99_seconds',
    'How late timers of the event loop ran since the last scrape, 99th percentile in seconds',
    [],
    () => one(delay.takeP99() / 1e9),
  );
  return delay;
}
