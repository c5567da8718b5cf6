// SPDX-License-Identifier: Apache-2.0
// Which test shows the effect of each option, metric and label that the documentation of Alloy, Agent and Phlare
// names: a test that fails where the option is ignored, or, of what does not act here, one that holds that it is said.
import { below, type Showing } from './showing.ts';
import { DISCOVERY } from './shown-discovery.ts';

const HTTP = 'HTTP client';
const EBPF = 'pyroscope.ebpf, phlare.ebpf';
const SCRAPE = 'pyroscope.scrape, phlare.scrape';
const WRITE = 'pyroscope.write, phlare.write';

const TLS = [
  'ca_pem',
  'ca_file',
  'cert_pem',
  'cert_file',
  'key_pem',
  'key_file',
  'server_name',
  'insecure_skip_verify',
  'min_version',
];
const PROFILES = [
  'memory',
  'block',
  'goroutine',
  'mutex',
  'process_cpu',
  'fgprof',
  'godeltaprof_memory',
  'godeltaprof_mutex',
  'godeltaprof_block',
  'custom',
];

const CLIENT = 'src/http-client/client.test.ts';
const CLIENT_KEYS = 'src/http-client/client-keys.test.ts';
const TARGETS = 'test/e2e/targets.test.ts';
const TARGET_OPTIONS = 'test/e2e/target-options.test.ts';
const PROFILER = 'src/profiler/targets/target-profiler.test.ts';
const TARGET = 'src/profiler/targets/target.test.ts';
const EFFECTS = 'test/migration/effects.test.ts';
const RUN = 'test/migration/run.test.ts';
const SCRAPER = 'src/receivers/pyroscope-scrape/receiver.test.ts';
const ENRICHMENT = 'test/integration/k8s-attributes.test.ts';

const HTTP_CLIENT: readonly Showing[] = [
  {
    file: CLIENT,
    title: 'is of the configuration: ',
    options: {
      [HTTP]: [
        'bearer_token',
        'basic_auth > username',
        'basic_auth > password',
        'authorization > type',
        'authorization > credentials',
      ],
    },
  },
  {
    file: CLIENT_KEYS,
    title: 'are the token, the credentials and the secret of OAuth 2.0 that are sent',
    options: {
      [HTTP]: [
        'bearer_token_file',
        'basic_auth > password_file',
        'authorization > credentials_file',
        'oauth2 > client_secret_file',
      ],
    },
  },
  {
    file: CLIENT,
    title: 'is a token that is got once, and again where it is refused',
    options: {
      [HTTP]: below('oauth2', ['client_id', 'client_secret', 'scopes', 'token_url', 'endpoint_params']),
    },
  },
  {
    file: CLIENT,
    title: 'forwards plain requests and tunnels TLS, with headers for the tunnel only',
    options: { [HTTP]: ['proxy_url', 'proxy_connect_header'] },
  },
  {
    file: CLIENT,
    title: 'is passed by for hosts of no_proxy and of this machine, and taken from the environment',
    options: { [HTTP]: ['no_proxy', 'proxy_from_environment'] },
  },
  {
    file: CLIENT,
    title: 'is followed ten times, to HTTP only, and not at all where that is not wanted',
    options: { [HTTP]: ['follow_redirects'] },
  },
  {
    file: 'test/integration/http-client.test.ts',
    title: 'speaks HTTP/2 over TLS with a user and a redirect, or HTTP/1.1',
    options: { [HTTP]: ['enable_http2'] },
  },
  { file: CLIENT, title: 'is of files, as they are now', options: { [HTTP]: ['http_headers'] } },
  {
    file: CLIENT_KEYS,
    title: 'is as tls_config says, certificates of texts and of files',
    options: { [HTTP]: below('tls_config', TLS) },
  },
  {
    file: CLIENT_KEYS,
    title: 'is as tls_config in oauth2 says where a token is asked for',
    options: { [HTTP]: below('oauth2 > tls_config', TLS) },
  },
  {
    file: CLIENT_KEYS,
    title: 'goes through the proxy that oauth2 names, and requests themselves do not',
    options: { [HTTP]: below('oauth2', ['proxy_url', 'no_proxy', 'proxy_connect_header']) },
  },
  {
    file: CLIENT_KEYS,
    title: 'takes the proxy towards the authorization server from the environment where oauth2 says so',
    options: { [HTTP]: ['oauth2 > proxy_from_environment'] },
  },
];

const PROFILING: readonly Showing[] = [
  {
    file: RUN,
    title: 'profiles the processes that it discovers, and sends them with the password of the environment',
    options: { [EBPF]: ['forward_to'] },
    names: ['GC_URL', 'GC_USER', 'GC_PASSWORD'],
  },
  {
    file: TARGETS,
    title: 'are of the targets alone, each under its labels and in its own manner',
    options: { [EBPF]: ['targets', 'off_cpu_threshold', 'probe_links'] },
    names: ['__process_pid__', 'collect_kernel', 'python_full_file_path', 'python_enabled', 'demangle'],
  },
  {
    file: TARGETS,
    title: 'show threads, pids and no kernel frames as is asked, the rest under the default target',
    options: { [EBPF]: ['default_target', 'targets_only', 'comm', 'pid_label', 'kernel_frames'] },
  },
  {
    file: TARGET_OPTIONS,
    title: 'leave the user part out, set the rate, and name job and service',
    options: { [EBPF]: ['job_name', 'service_name', 'sample_rate', 'collect_user_profile'] },
  },
  {
    file: TARGET_OPTIONS,
    title: 'leave out kernel and Python frames, say how names look, and where tables are kept',
    options: {
      [EBPF]: [
        'collect_kernel_profile',
        'python_enabled',
        'demangle',
        'reporter_unsymbolized_stubs',
        'symb_cache_path',
        'u_probe_links',
        'obi_process_context_enabled',
        'bpf_fs_root',
      ],
    },
  },
  {
    file: PROFILER,
    title: 'keeps samples until discovery tells whose they are, also of a process that is gone by then',
    options: { [EBPF]: ['collect_interval'] },
  },
  {
    file: PROFILER,
    title: 'tells the native part its rate, its sizes and what to try',
    options: {
      [EBPF]: [
        'pid_cache_size',
        'elf_cache_size',
        'build_id_cache_size',
        'symb_cache_size',
        'no_kernel_version_check',
      ],
    },
  },
  {
    file: PROFILER,
    title: 'loads nothing into the kernel in lazy mode before there is a target',
    options: { [EBPF]: ['lazy_mode'] },
  },
  {
    file: PROFILER,
    title: 'logs the native figures with verbose_mode, and not without',
    options: { [EBPF]: ['verbose_mode'] },
  },
  {
    file: 'src/profiler/targets/config.test.ts',
    title: 'are without effect, or meant otherwise, with a reason',
    options: {
      [EBPF]: ['perl', 'php', 'hotspot', 'ruby', 'v8', 'dotnet', 'go'].map((runtime) => `${runtime}_enabled`),
    },
  },
  {
    file: 'test/config/good-config.test.ts',
    title: 'is valid and builds: ',
    options: {
      [EBPF]: [
        'kubernetes_node',
        'same_file_cache_size',
        'container_id_cache_size',
        'cache_rounds',
        'symbols_map_size',
        'pid_map_size',
        'go_table_fallback',
        'load_probe',
        'debug_info',
      ],
    },
  },
  {
    file: PROFILER,
    title: 'hands on the samples of targets, under their labels, and of nobody else',
    names: [
      'pyroscope_fanout_latency',
      'pyroscope_ebpf_active_targets',
      'pyroscope_ebpf_profiling_sessions_total',
      'pyroscope_ebpf_pprofs_total',
      'pyroscope_ebpf_pprof_bytes_total',
      'pyroscope_ebpf_pprof_samples_total',
      '__name__',
    ],
  },
  {
    file: PROFILER,
    title: 'counts what nobody took',
    names: ['pyroscope_ebpf_profiling_sessions_failing_total', 'pyroscope_ebpf_pprofs_dropped_total'],
  },
  {
    file: 'src/receivers/phlare-ebpf/factory.test.ts',
    title: 'phlare_ebpf calls its latency as phlare.ebpf did',
    names: ['phlare_fanout_latency'],
  },
  {
    file: TARGET,
    title: 'is the option service_name before that of the component',
    names: ['phlare.ebpf.staging'],
  },
  {
    file: TARGET,
    title: 'is ${what}',
    names: [
      '__container_id__',
      '__meta_docker_container_id',
      '__meta_dockerswarm_task_container_id',
      '__meta_kubernetes_pod_container_id',
    ],
  },
  {
    file: TARGET,
    title: 'is ${pyroscope}, or ${phlare} of old, of ',
    names: [
      '__meta_kubernetes_pod_annotation_pyroscope_io_service_name',
      '__meta_kubernetes_namespace',
      '__meta_kubernetes_pod_container_name',
      '__meta_kubernetes_pod_name',
      '__meta_docker_container_name',
      '__meta_dockerswarm_container_label_service_name',
      '__meta_dockerswarm_service_name',
      'unspecified',
    ],
  },
  {
    file: TARGET,
    title: 'says by labels what it wants otherwise',
    names: ['__meta_pyroscope_ebpf_options_', 'go_table_fallback'],
  },
  {
    file: PROFILER,
    title: 'warns once of options of targets that do not act',
    names: ['python_bpf_debug_log'],
  },
];

const SCRAPING: readonly Showing[] = [
  {
    file: EFFECTS,
    title: 'asks for what its options say',
    options: {
      [SCRAPE]: [
        'targets',
        'forward_to',
        'job_name',
        'params',
        'scrape_interval',
        'delta_profiling_duration',
        'scheme',
        'profiling_config > path_prefix',
        ...PROFILES.flatMap((kind) =>
          below(`profiling_config > profile.${kind}`, ['enabled', 'path', 'delta']),
        ),
      ],
    },
  },
  {
    file: SCRAPER,
    title: 'counts a failure by its reason and tells of a target once when it fails and once when it is well',
    options: { [SCRAPE]: ['scrape_timeout'] },
  },
  {
    file: SCRAPER,
    title: 'scrapes its own part of the targets where they are spread over a cluster',
    options: { [SCRAPE]: ['clustering > enabled'] },
  },
  {
    file: SCRAPER,
    title: 'gives what a target answers to the pipeline, under its labels and with its bytes',
    names: ['pyroscope_fanout_latency', 'job', 'instance', 'service_name'],
  },
];

const WRITING: readonly Showing[] = [
  {
    file: 'test/integration/pyroscope-write.test.ts',
    title: 'takes external labels over its own, the service and the name included, and empty ones away',
    options: { [WRITE]: ['external_labels'] },
  },
  {
    file: 'test/integration/pyroscope-write.test.ts',
    title: 'of 429 is final where retry_on_http_429 is off',
    options: { [WRITE]: ['endpoint > retry_on_http_429'] },
  },
  {
    file: EFFECTS,
    title: 'speaks TLS as its endpoint says',
    options: { [WRITE]: ['endpoint > name', ...below('endpoint > tls_config', TLS)] },
  },
  {
    file: EFFECTS,
    title: 'sends what its endpoint says, for as long and as often',
    options: {
      [WRITE]: below('endpoint', [
        'url',
        'remote_timeout',
        'headers',
        'min_backoff_period',
        'max_backoff_period',
        'max_backoff_retries',
      ]),
    },
  },
  {
    file: 'test/integration/pyroscope-write.test.ts',
    title: 'stand on the page under their names',
    names: [
      'pyroscope_write_sent_bytes_total',
      'pyroscope_write_sent_profiles_total',
      'pyroscope_write_dropped_bytes_total',
      'pyroscope_write_dropped_profiles_total',
      'pyroscope_write_latency',
      'pyroscope_forwarded_entries_total',
    ],
  },
  {
    file: 'test/integration/pyroscope-write.test.ts',
    title: 'is asked once a second by one, however many wait',
    names: ['pyroscope_write_retries_total'],
  },
];

const COLLECTOR: readonly Showing[] = [
  {
    file: 'src/receivers/profiling/receiver.test.ts',
    title: 'gives the native profiler what the configuration says',
    names: ['samples_per_second'],
  },
  {
    file: 'test/integration/export-otlp-grpc.test.ts',
    title: 'speaks TLS, and refuses a server that it cannot verify',
    names: ['endpoint', 'insecure'],
  },
  {
    file: 'src/profiler/assembler.test.ts',
    title: 'makes one resource a process, with the attributes of the eBPF profiler',
    names: ['process.executable.name'],
  },
  {
    file: 'src/processors/relabel/processor.test.ts',
    title: 'a resource without service.name gets the name of its executable',
    names: ['labelmap', 'process.executable.name'],
  },
  {
    file: ENRICHMENT,
    title: 'the documented configuration adds pod, container and service',
    names: [
      'auth_type',
      'passthrough',
      'metadata',
      'otel_annotations',
      'pod_association',
      'resource_attribute',
      'container.id',
    ],
  },
];

export const SHOWN: readonly Showing[] = [
  ...HTTP_CLIENT,
  ...PROFILING,
  ...SCRAPING,
  ...WRITING,
  ...DISCOVERY,
  ...COLLECTOR,
];
