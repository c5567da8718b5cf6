// SPDX-License-Identifier: Apache-2.0
import { below, type Showing } from './showing.ts';

const RULE = ['source_labels', 'separator', 'regex', 'modulus', 'target_label', 'replacement', 'action'];
const KUBERNETES = 'test/integration/kubernetes-discovery.test.ts';
const DOCKER = 'src/discovery/docker/docker.test.ts';
const SWARM = 'src/discovery/dockerswarm/dockerswarm.test.ts';

/** The part of `SHOWN` about discovery and relabelling. */
export const DISCOVERY: readonly Showing[] = [
  {
    file: KUBERNETES,
    title: 'pods are listed in pages, followed, and gone when they are deleted',
    options: { 'discovery.kubernetes': ['role', 'kubeconfig_file'] },
  },
  {
    file: KUBERNETES,
    title: 'an API server that is named is asked with the HTTP client that is configured',
    options: { 'discovery.kubernetes': ['api_server'] },
  },
  {
    file: KUBERNETES,
    title: 'several namespaces are watched, and one that is refused costs only itself',
    options: { 'discovery.kubernetes': ['namespaces > names'] },
  },
  {
    file: KUBERNETES,
    title: 'in a pod the token of the service account is used, and a new one when it is replaced',
    options: { 'discovery.kubernetes': ['namespaces > own_namespace'] },
  },
  {
    file: KUBERNETES,
    title: 'selectors go to the server, and a selector for nodes takes the pods of the others away',
    options: { 'discovery.kubernetes': below('selectors', ['role', 'label', 'field']) },
  },
  {
    file: KUBERNETES,
    title: 'what is attached is followed too, and remakes only the groups that have it',
    options: { 'discovery.kubernetes': below('attach_metadata', ['node', 'namespace']) },
  },
  {
    file: DOCKER,
    title: 'makes one in every network where that is wanted',
    options: { 'discovery.docker': ['match_first_network'] },
  },
  {
    file: DOCKER,
    title: 'finds containers in the network of another one, of the host, and of none',
    options: { 'discovery.docker': ['port', 'host_networking_host'] },
  },
  {
    file: DOCKER,
    title: 'asks with filters, and over HTTP with credentials',
    options: { 'discovery.docker': ['host', 'filter > name', 'filter > values'] },
  },
  {
    file: DOCKER,
    title: 'asks again after refresh_interval',
    options: { 'discovery.docker': ['refresh_interval'] },
  },
  {
    file: SWARM,
    title: 'makes targets of services',
    options: { 'discovery.dockerswarm': ['role', 'port'] },
  },
  {
    file: SWARM,
    title: 'asks again after refresh_interval',
    options: { 'discovery.dockerswarm': ['refresh_interval'] },
  },
  {
    file: SWARM,
    title: 'makes targets of nodes',
    options: { 'discovery.dockerswarm': ['host', 'filter > name', 'filter > values'] },
  },
  {
    file: 'src/discovery/process/process-table.test.ts',
    title: 'a process has the labels that can be read, and those that are wanted',
    options: {
      'discovery.process': below('discover_config', [
        'exe',
        'cwd',
        'commandline',
        'container_id',
        'cgroup_path',
        'uid',
        'username',
      ]),
    },
  },
  {
    file: 'src/discovery/process/source.test.ts',
    title: 'a process has the labels of its container as soon as both are known',
    options: { 'discovery.process': ['join'] },
  },
  {
    file: 'src/discovery/process/source.test.ts',
    title: 'what has changed of a process is seen after refresh_interval',
    options: { 'discovery.process': ['refresh_interval'] },
  },
  {
    file: 'src/relabel/relabel.test.ts',
    title: 'rules give what a naive interpreter gives',
    options: { 'discovery.relabel': below('rule', RULE) },
  },
  {
    file: 'src/discovery/manager.test.ts',
    title: 'come at once, with the labels of their group, under their own rules',
    options: { 'discovery.relabel': ['targets'] },
  },
];

/** What the guide to the Collector with the eBPF profiler names. */
