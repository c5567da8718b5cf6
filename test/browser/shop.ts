// SPDX-License-Identifier: Apache-2.0
import { intValue, stringValue } from '../../src/pdata/any-value.ts';
import { DictionaryBuilder } from '../../src/pdata/dictionary-builder.ts';
import { profile, ProfilesBatch, resource, type ResourceProfiles } from '../../src/pdata/profiles-batch.ts';
import { SamplesBuilder } from '../../src/pdata/samples.ts';

/** `name|kind|binary|file:line`, all but the name may be missing; stacks root first, then the weight. */
interface ServiceDrawing {
  readonly name: string;
  readonly pids: readonly number[];
  readonly executable: string;
  readonly threads: readonly string[];
  readonly stacks: readonly (readonly [stack: string, weight: number])[];
}

const KERNEL_READ =
  'entry_SYSCALL_64_after_hwframe|kernel|vmlinux;do_syscall_64|kernel|vmlinux;ksys_read|kernel|vmlinux;vfs_read|kernel|vmlinux';
const KERNEL_SEND =
  'entry_SYSCALL_64_after_hwframe|kernel|vmlinux;do_syscall_64|kernel|vmlinux;__sys_sendto|kernel|vmlinux;tcp_sendmsg|kernel|vmlinux;tcp_write_xmit|kernel|vmlinux';
const NODE_MAIN = 'main|native|node;node::Start(int, char**)|native|node;uv_run|native|node';
const EXPRESS =
  'processTicksAndRejections|v8js||node:internal/process/task_queues:96;handle|v8js||/app/node_modules/express/lib/router/layer.js:95;next|v8js||/app/node_modules/express/lib/router/route.js:149';
const GO_SERVE =
  'runtime.goexit|go|catalog|runtime/asm_amd64.s:1695;net/http.(*conn).serve|go|catalog|net/http/server.go:2039;net/http.HandlerFunc.ServeHTTP|go|catalog|net/http/server.go:2166';
const PY =
  '_start|native|python3.11;Py_BytesMain|native|python3.11;<module>|cpython||/srv/worker/main.py:1;run|cpython||/srv/worker/worker.py:41';

const SHOP: readonly ServiceDrawing[] = [
  {
    name: 'checkout',
    pids: [4711, 4712],
    executable: 'node',
    threads: ['node', 'libuv-worker'],
    stacks: [
      [
        `${NODE_MAIN};${EXPRESS};placeOrder|v8js||/app/src/orders.ts:88;validateCart|v8js||/app/src/cart.ts:17;parse|v8js||/app/node_modules/zod/lib/types.js:132`,
        42,
      ],
      [
        `${NODE_MAIN};${EXPRESS};placeOrder|v8js||/app/src/orders.ts:88;priceItems|v8js||/app/src/pricing.ts:33`,
        31,
      ],
      [
        `${NODE_MAIN};${EXPRESS};placeOrder|v8js||/app/src/orders.ts:88;priceItems|v8js||/app/src/pricing.ts:33;applyDiscounts|v8js||/app/src/pricing.ts:71;roundMoney|v8js||/app/src/money.ts:9`,
        27,
      ],
      [
        `${NODE_MAIN};${EXPRESS};placeOrder|v8js||/app/src/orders.ts:88;stringify|v8js||/app/src/json.ts:4;v8::internal::JsonStringifier::Serialize|native|node`,
        24,
      ],
      [
        `${NODE_MAIN};${EXPRESS};getCart|v8js||/app/src/cart.ts:51;query|v8js||/app/node_modules/pg/lib/client.js:508;parse|v8js||/app/node_modules/pg-protocol/dist/parser.js:61`,
        22,
      ],
      [
        `${NODE_MAIN};uv__io_poll|native|node;uv__read|native|node;read|native|libc.so.6;${KERNEL_READ};tcp_recvmsg|kernel|vmlinux`,
        14,
      ],
      [
        `${NODE_MAIN};uv__io_poll|native|node;epoll_wait|native|libc.so.6;entry_SYSCALL_64_after_hwframe|kernel|vmlinux;do_syscall_64|kernel|vmlinux;ep_poll|kernel|vmlinux`,
        9,
      ],
      [
        `${NODE_MAIN};v8::internal::Heap::CollectGarbage|native|node;v8::internal::MarkCompactCollector::MarkLiveObjects|native|node`,
        19,
      ],
      [
        `${NODE_MAIN};v8::internal::Heap::CollectGarbage|native|node;v8::internal::ScavengerCollector::CollectGarbage|native|node;memcpy|native|libc.so.6`,
        8,
      ],
      [
        `${NODE_MAIN};${EXPRESS};placeOrder|v8js||/app/src/orders.ts:88;publish|v8js||/app/src/events.ts:12;write|native|libc.so.6;${KERNEL_SEND}`,
        11,
      ],
    ],
  },
  {
    name: 'catalog',
    pids: [812],
    executable: 'catalog',
    threads: ['catalog'],
    stacks: [
      [
        `${GO_SERVE};main.(*Server).Search|go|catalog|cmd/catalog/search.go:64;encoding/json.Marshal|go|catalog|encoding/json/encode.go:159;encoding/json.(*encodeState).marshal|go|catalog|encoding/json/encode.go:297`,
        38,
      ],
      [
        `${GO_SERVE};main.(*Server).Search|go|catalog|cmd/catalog/search.go:64;main.rank|go|catalog|cmd/catalog/rank.go:20;sort.Slice|go|catalog|sort/slice.go:23`,
        29,
      ],
      [
        'runtime.gcBgMarkWorker|go|catalog|runtime/mgc.go:1310;runtime.scanobject|go|catalog|runtime/mgcmark.go:1446',
        21,
      ],
      [
        `${GO_SERVE};main.(*Server).Search|go|catalog|cmd/catalog/search.go:64;runtime.mallocgc|go|catalog|runtime/malloc.go:1029`,
        13,
      ],
    ],
  },
  {
    name: 'recommender',
    pids: [93, 94, 95],
    executable: 'python3.11',
    threads: ['python3', 'grpc-worker'],
    stacks: [
      [
        `${PY};score|cpython||/srv/worker/model.py:120;matmul|cpython||numpy/core/multiarray.py:152;dgemm_kernel|native|libopenblas.so.0`,
        47,
      ],
      [
        `${PY};score|cpython||/srv/worker/model.py:120;load_features|cpython||/srv/worker/features.py:33;loads|cpython||json/__init__.py:299`,
        18,
      ],
    ],
  },
  {
    name: 'postgres',
    pids: [31],
    executable: 'postgres',
    threads: ['postgres'],
    stacks: [
      [
        'main|native|postgres;PostmasterMain|native|postgres;PostgresMain|native|postgres;exec_simple_query|native|postgres;ExecutorRun|native|postgres;ExecHashJoin|native|postgres',
        20,
      ],
      [
        'main|native|postgres;PostmasterMain|native|postgres;PostgresMain|native|postgres;exec_simple_query|native|postgres;pg_plan_queries|native|postgres',
        9,
      ],
    ],
  },
  {
    name: 'redis-server',
    pids: [17],
    executable: 'redis-server',
    threads: ['redis-server'],
    stacks: [
      ['main|native|redis-server;aeMain|native|redis-server;readQueryFromClient|native|redis-server', 6],
    ],
  },
  {
    name: 'node-exporter',
    pids: [6],
    executable: 'node_exporter',
    threads: ['node_exporter'],
    stacks: [['runtime.goexit|go|node_exporter;main.main|go|node_exporter', 1]],
  },
];

const PERIOD_NS = 10_000_000n;

/** Five seconds of a small shop, ending at `endMs`, with a timestamp for each sample. */
export function shopBatch(endMs: number, scale = 1): ProfilesBatch {
  const builder = new DictionaryBuilder();
  const resources: ResourceProfiles[] = [];
  for (const service of SHOP) {
    service.pids.forEach((pid, process) =>
      resources.push(processProfiles(builder, service, pid, process, endMs, scale)),
    );
  }
  return new ProfilesBatch(builder.build(), resources);
}

function processProfiles(
  builder: DictionaryBuilder,
  service: ServiceDrawing,
  pid: number,
  process: number,
  endMs: number,
  scale: number,
): ResourceProfiles {
  const samples = new SamplesBuilder();
  service.stacks.forEach(([stack, weight], i) => {
    const count = Math.max(1, Math.round((weight * scale) / (process + 1)));
    const timestamps = Array.from(
      { length: count },
      (_, n) => BigInt(Math.round(endMs - 5000 + ((n + 0.5) / count) * 5000)) * 1_000_000n,
    );
    const thread = service.threads[i % service.threads.length] ?? '';
    samples.add(
      addStack(builder, stack),
      0,
      [builder.attributeOf('thread.name', stringValue(thread))],
      [],
      timestamps,
    );
  });
  const made = profile({
    sampleType: { type: builder.string('samples'), unit: builder.string('count') },
    periodType: { type: builder.string('cpu'), unit: builder.string('nanoseconds') },
    period: PERIOD_NS,
    timeUnixNano: BigInt(endMs - 5000) * 1_000_000n,
    durationNano: 5_000_000_000n,
    samples: samples.build(),
  });
  const attributes = [
    { key: 'service.name', value: stringValue(service.name) },
    { key: 'process.pid', value: intValue(pid) },
    { key: 'process.executable.name', value: stringValue(service.executable) },
  ];
  const scope = { name: '', version: '', attributes: [], droppedAttributesCount: 0 };
  return {
    resource: resource(attributes),
    schemaUrl: '',
    scopes: [{ scope, schemaUrl: '', profiles: [made] }],
  };
}

function addStack(builder: DictionaryBuilder, stack: string): number {
  const locations = stack.split(';').map((text) => {
    const [name = '', kind = '', binary = '', place = ''] = text.split('|');
    const colon = place.lastIndexOf(':');
    const file = colon < 0 ? place : place.slice(0, colon);
    const fn = builder.function(builder.string(name), 0, builder.string(file), 0n);
    const mapping = binary === '' ? 0 : builder.mapping(0n, 0n, 0n, builder.string(`/usr/lib/${binary}`), []);
    const line = BigInt(colon < 0 ? 0 : place.slice(colon + 1));
    const attributes = [builder.attributeOf('profile.frame.type', stringValue(kind))];
    return builder.location(mapping, 0n, attributes, [{ function: fn, line, column: 0n }]);
  });
  return builder.stack(locations.reverse());
}
