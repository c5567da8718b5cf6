// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '../../internal/testing/otlp-random.ts';
import type { LabelSet } from '../../relabel/relabel.ts';
import { configSchema } from './config.ts';
import { type PlanSettings, planScrapes, type ScrapeJob, seriesLabels } from './plan.ts';
import { allKinds } from './profiling-config.ts';

const kindsOf = (profiling_config: unknown = {}) =>
  allKinds(configSchema.parse({ profiling_config }).profiling_config).filter(({ enabled }) => enabled);

const settings = (changes: Partial<PlanSettings> = {}): PlanSettings => ({
  job: 'pyroscope_scrape/test',
  scheme: 'http',
  pathPrefix: '',
  params: new Map(),
  kinds: kindsOf(),
  intervalMs: 15_000,
  timeoutMs: 10_000,
  deltaDurationMs: undefined,
  keepsPrivate: false,
  ...changes,
});

const target = (labels: Readonly<Record<string, string>>): LabelSet => new Map(Object.entries(labels));
const at = (address: string, labels: Readonly<Record<string, string>> = {}): LabelSet =>
  target({ __address__: address, ...labels });
const urls = (targets: readonly LabelSet[], changes: Partial<PlanSettings> = {}): string[] =>
  planScrapes(targets, settings(changes)).jobs.map(({ url }) => url);
const only = (labels: LabelSet, changes: Partial<PlanSettings> = {}): ScrapeJob => {
  const kinds = kindsOf({
    block: { enabled: false },
    goroutine: { enabled: false },
    mutex: { enabled: false },
  });
  const [job] = planScrapes([labels], settings({ kinds, ...changes })).jobs;
  if (job === undefined) throw new Error('no job');
  return job;
};
const off = (...names: string[]) => Object.fromEntries(names.map((name) => [name, { enabled: false }]));

describe('the plan of scrapes', () => {
  it('asks a target for the five profiles of pyroscope.scrape', () => {
    assert.deepEqual(urls([at('localhost:9090')]), [
      'http://localhost:9090/debug/pprof/allocs',
      'http://localhost:9090/debug/pprof/block',
      'http://localhost:9090/debug/pprof/goroutine',
      'http://localhost:9090/debug/pprof/mutex',
      'http://localhost:9090/debug/pprof/profile?seconds=14',
    ]);
  });

  it('asks for the endpoints that the documentation of pyroscope.scrape lists', () => {
    const kinds = kindsOf({ fgprof: { enabled: true }, ...off('block', 'mutex') });
    assert.deepEqual(urls([at('localhost:4100'), at('localhost:12345')], { kinds }), [
      'http://localhost:4100/debug/pprof/allocs',
      'http://localhost:4100/debug/pprof/goroutine',
      'http://localhost:4100/debug/pprof/profile?seconds=14',
      'http://localhost:4100/debug/fgprof?seconds=14',
      'http://localhost:12345/debug/pprof/allocs',
      'http://localhost:12345/debug/pprof/goroutine',
      'http://localhost:12345/debug/pprof/profile?seconds=14',
      'http://localhost:12345/debug/fgprof?seconds=14',
    ]);
  });

  it('calls godeltaprof by what it holds and computes no second difference', () => {
    const kinds = kindsOf({
      ...off('memory', 'block', 'goroutine', 'mutex', 'process_cpu'),
      godeltaprof_memory: { enabled: true },
      godeltaprof_mutex: { enabled: true },
      godeltaprof_block: { enabled: true },
    });
    const { jobs } = planScrapes([at('a:1')], settings({ kinds }));
    assert.deepEqual(
      jobs.map(({ url, name, computesDelta }) => [url, name, computesDelta]),
      [
        ['http://a:1/debug/pprof/delta_heap', 'memory', false],
        ['http://a:1/debug/pprof/delta_mutex', 'mutex', false],
        ['http://a:1/debug/pprof/delta_block', 'block', false],
      ],
    );
  });

  it('computes differences of memory, block and mutex, and of nothing that the target computes', () => {
    const delta = (config: unknown): Record<string, boolean> =>
      Object.fromEntries(
        allKinds(configSchema.parse({ profiling_config: config }).profiling_config).map((k) => [
          k.kind,
          k.computesDelta,
        ]),
      );
    const byDefault = delta({ custom: { heap: { enabled: true, path: '/heap' } } });
    assert.deepEqual(
      Object.keys(byDefault).filter((kind) => byDefault[kind]),
      ['memory', 'block', 'mutex'],
    );
    assert.equal(delta({ memory: { delta: true } })['memory'], false);
    assert.equal(delta({ memory: { compute_delta: false } })['memory'], false);
    assert.equal(
      delta({ custom: { heap: { enabled: true, path: '/heap', compute_delta: true } } })['heap'],
      true,
    );
  });

  it('gives an address without port the port of its scheme', () => {
    const memory = (address: string, labels = {}, changes = {}) => only(at(address, labels), changes).url;
    assert.match(memory('shop'), /^http:\/\/shop:80\//);
    assert.match(memory('shop', {}, { scheme: 'https' }), /^https:\/\/shop:443\//);
    assert.match(memory('shop', { __scheme__: 'https' }), /^https:\/\/shop:443\//);
    assert.match(memory('[::1]'), /^http:\/\/\[::1\]:80\//);
    assert.match(memory('[::1]:81'), /^http:\/\/\[::1\]:81\//);
  });

  it('puts the prefix of the configuration, or of the target, before paths', () => {
    const url = (labels = {}, pathPrefix = '/mimir') => only(at('a:1', labels), { pathPrefix }).url;
    assert.equal(url(), 'http://a:1/mimir/debug/pprof/allocs');
    assert.equal(url({ __profile_path_prefix__: 'own//x/../' }), 'http://a:1/own/debug/pprof/allocs');
    assert.equal(url({ __profile_path__: '/a b?c#d/' }, ''), 'http://a:1/a%20b%3Fc%23d/');
    assert.equal(url({ __profile_path__: '/%2Fx%zz' }, ''), 'http://a:1/%2Fx%25zz');
  });

  it('asks once where two kinds ask for the same, and counts the others', () => {
    const plan = planScrapes(
      [at('a:1', { __profile_path__: '/mine' }), at('a:1', { __profile_path__: '/mine' })],
      settings(),
    );
    assert.deepEqual(
      plan.jobs.map(({ url, name }) => [url, name]),
      [
        ['http://a:1/mine', 'memory'],
        ['http://a:1/mine?seconds=14', 'process_cpu'],
      ],
    );
    assert.equal(plan.duplicates, 8);
  });

  it('lets params of the configuration stand before those of a target, and adds the others of it', () => {
    const params = new Map([['debug', ['0', '1 2']]]);
    const job = only(at('a:1', { __param_debug: '7', __param_gc: 'é&' }), { params });
    assert.equal(job.url, 'http://a:1/debug/pprof/allocs?debug=0&debug=1+2&gc=%C3%A9%26');
  });

  it('keeps seconds out of what is not timed, whatever the params and however often it plans', () => {
    const params = new Map([['gc', ['1']]]);
    const first = urls([at('a:1'), at('b:1')], { params });
    const again = urls([at('a:1'), at('b:1')], { params });
    assert.deepEqual(first, again);
    assert.deepEqual([...params], [['gc', ['1']]]);
    for (const url of first) assert.equal(url.includes('seconds'), url.includes('/profile?'), url);
    assert.ok(first.includes('http://b:1/debug/pprof/profile?gc=1&seconds=14'));
  });

  it('lets seconds that the user asks for stand', () => {
    const params = new Map([['seconds', ['30']]]);
    const { jobs } = planScrapes([at('a:1')], settings({ params }));
    assert.ok(jobs.every(({ url }) => url.endsWith('?seconds=30')));
    assert.ok(jobs.every(({ timeoutMs }) => timeoutMs === 40_000));
  });

  it('makes no difference of what a target gives as one, because it is asked for seconds', () => {
    const computed = (labels: Record<string, string>) =>
      planScrapes([at('a:1', labels)], settings())
        .jobs.filter(({ computesDelta }) => computesDelta)
        .map(({ name }) => name);
    assert.deepEqual(computed({}), ['memory', 'block', 'mutex']);
    assert.deepEqual(computed({ __param_seconds: '5' }), []);
  });

  it('profiles for the interval less a second, or as long as told, and waits for it', () => {
    const cpu = (changes: Partial<PlanSettings>) => {
      const job = planScrapes([at('a:1')], settings(changes)).jobs.at(-1);
      return [job?.url.split('=')[1], job?.timeoutMs];
    };
    assert.deepEqual(cpu({}), ['14', 24_000]);
    assert.deepEqual(cpu({ intervalMs: 10_000 }), ['9', 19_000]);
    assert.deepEqual(cpu({ intervalMs: 60_000 }), ['59', 69_000]);
    assert.deepEqual(cpu({ intervalMs: 60_000, deltaDurationMs: 14_000 }), ['14', 69_000]);
    assert.equal(only(at('a:1')).timeoutMs, 10_000);
  });

  it('labels series with job, instance and service_name unless the target has them', () => {
    assert.deepEqual(Object.fromEntries(seriesLabels(only(at('shop')))), {
      __name__: 'memory',
      __delta__: 'false',
      instance: 'shop:80',
      job: 'pyroscope_scrape/test',
      service_name: 'unspecified',
    });
    const own = {
      job: 'j',
      instance: 'i',
      service_name: 's',
      __name__: 'heap',
      __meta_x: 'y',
      team: 'z',
      none: '',
    };
    assert.deepEqual(Object.fromEntries(seriesLabels(only(at('shop', own)))), {
      __name__: 'heap',
      __delta__: 'false',
      instance: 'i',
      job: 'j',
      service_name: 's',
      team: 'z',
    });
  });

  it('keeps private labels where told', () => {
    const labels = seriesLabels(only(at('a:1', { __meta_x: 'y' }), { keepsPrivate: true }));
    assert.equal(labels.get('__meta_x'), 'y');
    assert.equal(labels.get('__address__'), 'a:1');
  });

  it('infers the name of the service in the order of pyroscope.scrape', () => {
    const all = {
      __meta_kubernetes_pod_annotation_pyroscope_io_service_name: 'annotated',
      __meta_kubernetes_namespace: 'ns',
      __meta_kubernetes_pod_container_name: 'box',
      __meta_docker_container_name: '/docker',
      __meta_dockerswarm_container_label_service_name: 'label',
      __meta_dockerswarm_service_name: 'swarm',
    };
    const names: (string | undefined)[] = [];
    const left: Record<string, string> = { ...all };
    for (const name of ['', ...Object.keys(all)]) {
      delete left[name];
      names.push(only(at('a:1', left)).base.get('service_name'));
    }
    const docker = ['/docker', '/docker'];
    assert.deepEqual(names, ['annotated', 'ns/box', ...docker, 'label', 'swarm', 'unspecified']);
  });

  it('says what is wrong with a target', () => {
    const bad: readonly (readonly [LabelSet, string, string])[] = [
      [target({ a: 'b' }), 'no_address', 'no address'],
      [
        at('a:1', { __scheme__: 'ftp' }),
        'invalid_scheme',
        'invalid scheme: "ftp" (valid values: http, https)',
      ],
      [at('a/b'), 'invalid_address', '"a/b:80" is not a valid hostname'],
      [at('::1'), 'invalid_address', '"::1" is not a valid hostname'],
      [at('host:'), 'invalid_address', '"host:" is not a valid hostname'],
      [at('user@host:1'), 'invalid_address', '"user@host:1" is not a valid hostname'],
      [at('a:99999'), 'invalid_address', '"a:99999" is not a valid hostname'],
      [at('a:1', { team: '\ud800' }), 'invalid_label', 'invalid label value for "team": "\\ud800"'],
    ];
    for (const [labels, reason, message] of bad) {
      const { jobs, refusals } = planScrapes([labels], settings());
      assert.deepEqual([jobs.length, refusals.map((r) => [r.reason, r.message])], [0, [[reason, message]]]);
    }
  });

  it('is the sum of the plans of its targets, however bad some are', () => {
    const random = new Random(7);
    const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
    for (let round = 0; round < 300; round++) {
      const targets = random.list(12, () => {
        const labels: Record<string, string> = {};
        if (random.below(8) > 0)
          labels['__address__'] = pick(['a', 'b:1', '[::1]:2', 'c/d', '::', 'x y', '']);
        for (let i = random.below(5); i > 0; i--)
          labels[
            pick([
              '__scheme__',
              '__name__',
              '__profile_path__',
              '__param_seconds',
              '__param_a',
              'job',
              'team',
            ])
          ] = pick(['http', 'https', '', '/x', '5', '\ud800', 'ü', '../..']);
        return target(labels);
      });
      const params = new Map(random.list(3, (i) => [`p${i}`, random.list(3, () => random.text())] as const));
      const own = settings({ params, keepsPrivate: random.below(2) === 0 });
      const plan = planScrapes(targets, own);
      const alone = targets.flatMap((t) => planScrapes([t], own).jobs);
      const ids = [...new Set(alone.map(({ id }) => id))];
      assert.deepEqual(
        plan.jobs.map(({ id }) => id),
        ids,
      );
      assert.deepEqual(planScrapes(targets, own), plan);
      for (const job of plan.jobs) {
        const { pathname, search } = new URL(job.url);
        assert.ok(job.url.endsWith(`${pathname}${search}`), job.url);
        assert.ok([...seriesLabels(job).values()].every((value) => value !== ''));
      }
    }
  });
});
