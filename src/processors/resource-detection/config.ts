// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { durationSchema } from '../../config/sections/duration.ts';
import { section } from '../../config/sections/section.ts';

const DETECTORS = ['env', 'system', 'docker'] as const;

export type DetectorName = (typeof DETECTORS)[number];

/** Detectors of the Collector that ask clouds and platforms; naming one gets a better answer than "unknown". */
const ELSEWHERE = new Set(
  'ec2 ecs eks lambda elastic_beanstalk elasticbeanstalk gcp gce gke azure aks k8snode k8s_api kubeadm openshift heroku consul dynatrace hetzner akamai alibaba_ecs digitalocean nova oraclecloud scaleway upcloud vultr'.split(
    ' ',
  ),
);

const detectorSchema = z.string().transform((name, issues): DetectorName => {
  const found = DETECTORS.find((detector) => detector === name.trim());
  if (found !== undefined) return found;
  const why = ELSEWHERE.has(name.trim()) ? ' is not available in this distribution' : '';
  issues.addIssue({
    code: 'custom',
    message: `invalid detector key: ${name}${why} (valid values: [${DETECTORS.join(' ')}])`,
  });
  return z.NEVER;
});

const HOSTNAME_SOURCES = ['dns', 'os', 'cname', 'lookup'] as const;

export type HostnameSource = (typeof HOSTNAME_SOURCES)[number];

const attribute = (enabled: boolean) => section({ enabled: z.boolean().default(enabled) });

const systemAttributes = section({
  'host.name': attribute(true),
  'host.id': attribute(false),
  'host.arch': attribute(false),
  'host.ip': attribute(false),
  'host.mac': attribute(false),
  'host.interface': attribute(false),
  'host.cpu.vendor.id': attribute(false),
  'host.cpu.family': attribute(false),
  'host.cpu.model.id': attribute(false),
  'host.cpu.model.name': attribute(false),
  'host.cpu.stepping': attribute(false),
  'os.type': attribute(true),
  'os.name': attribute(false),
  'os.version': attribute(false),
  'os.description': attribute(false),
});

export type SystemAttribute = keyof z.output<typeof systemAttributes>;

export const configSchema = section({
  detectors: z
    .array(detectorSchema)
    .default(['env'])
    .describe('sources to ask; of two that know an attribute the first wins'),
  override: z.boolean().default(true).describe('replace attributes that a resource has already'),
  timeout: durationSchema().default(5_000).describe('for each detector, with its retries'),
  refresh_interval: durationSchema().default(0).describe('ask again so often; 0: only at start'),
  system: section({
    hostname_sources: z
      .array(z.enum(HOSTNAME_SOURCES))
      .default(['dns', 'os'])
      .describe('the first that has a name wins'),
    resource_attributes: systemAttributes.describe('per attribute {enabled: true|false}'),
  }),
  docker: section({
    resource_attributes: section({ 'host.name': attribute(true), 'os.type': attribute(true) }),
  }),
});

export type Config = z.output<typeof configSchema>;
