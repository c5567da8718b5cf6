// SPDX-License-Identifier: Apache-2.0
import { lookup, lookupService, resolveCname } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { arch, hostname, machine, networkInterfaces, platform, release, type, version } from 'node:os';
import { type AnyValue, stringValue } from '../../pdata/any-value.ts';
import type { Attributes } from '../../pdata/attributes.ts';
import type { Config, HostnameSource, SystemAttribute } from './config.ts';
import type { Detector } from './detector.ts';

type Reader = (config: Config['system']) => Promise<AnyValue | undefined>;

const text = (value: string | undefined): AnyValue | undefined => (value ? stringValue(value) : undefined);
const texts = (values: readonly string[]): AnyValue | undefined =>
  values.length === 0 ? undefined : { kind: 'array', value: values.map(stringValue) };

/** Facts of the machine, one reader an attribute; only enabled ones are read. */
const READERS: Readonly<Record<SystemAttribute, Reader>> = {
  'host.name': async ({ hostname_sources }) => text(await findHostname(hostname_sources)),
  'host.id': async () => text(await machineId()),
  'host.arch': async () => text(ARCHITECTURES[arch()] ?? arch()),
  'host.ip': async () => texts(interfaces().map(({ address }) => address)),
  'host.mac': async () =>
    texts([...new Set(interfaces().map(({ mac }) => mac.toUpperCase().replaceAll(':', '-')))]),
  'host.interface': async () => texts([...new Set(interfaces().map(({ name }) => name))]),
  'host.cpu.vendor.id': () => cpuField('vendor_id'),
  'host.cpu.family': () => cpuField('cpu family'),
  'host.cpu.model.id': () => cpuField('model'),
  'host.cpu.model.name': () => cpuField('model name'),
  'host.cpu.stepping': () => cpuField('stepping'),
  'os.type': async () => text(platform() === 'win32' ? 'windows' : platform()),
  'os.name': async () => text((await osRelease()).get('NAME')),
  'os.version': async () => text((await osRelease()).get('VERSION_ID')),
  'os.description': async () => {
    const os = await osRelease();
    const name = [os.get('NAME'), os.get('VERSION')].filter(Boolean).join(' ') || type();
    return text(`${name} (${type()} ${hostname()} ${release()} ${version()} ${machine()})`);
  },
};

/** GOARCH's and the conventions' names of Node's architectures. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: 'x86',
  arm: 'arm32',
  ppc64: 'ppc64',
};

export function systemDetector(config: Config['system']): Detector {
  return {
    name: 'system',
    async detect() {
      const attributes: { key: string; value: AnyValue }[] = [];
      for (const [key, read] of Object.entries(READERS) as [SystemAttribute, Reader][]) {
        if (!config.resource_attributes[key].enabled) continue;
        const value = await read(config);
        if (value !== undefined) attributes.push({ key, value });
      }
      return attributes satisfies Attributes;
    },
  };
}

/** The name from the first source that has one. */
async function findHostname(sources: readonly HostnameSource[]): Promise<string> {
  const failures: string[] = [];
  for (const source of sources) {
    try {
      const name = (await HOSTNAMES[source]()).replace(/\.$/, '');
      if (name !== '') return name;
      failures.push(`${source}: no name`);
    } catch (error) {
      failures.push(`${source}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(`failed to find the host name: ${failures.join('; ')}`);
}

const HOSTNAMES: Readonly<Record<HostnameSource, () => Promise<string>>> = {
  os: async () => hostname(),
  cname: async () => (await resolveCname(hostname()))[0] ?? '',
  lookup: async () => (await addressNames())[0] ?? '',
  // The fully qualified name is the one that begins with the host's own; a shared address may have others.
  dns: async () => (await addressNames()).find((name) => name.startsWith(`${hostname()}.`)) ?? '',
};

async function addressNames(): Promise<string[]> {
  const addresses = await lookup(hostname(), { all: true });
  const names = await Promise.all(addresses.map(({ address }) => lookupService(address, 0)));
  return names.map((found) => found.hostname).filter((name) => name !== 'localhost');
}

function interfaces(): { name: string; address: string; mac: string }[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).filter((a) => !a.internal).map(({ address, mac }) => ({ name, address, mac })),
  );
}

async function machineId(): Promise<string> {
  for (const path of ['/etc/machine-id', '/var/lib/dbus/machine-id']) {
    const id = await readOptional(path);
    if (id.trim() !== '') return id.trim();
  }
  return '';
}

async function cpuField(name: string): Promise<AnyValue | undefined> {
  const line = (await readOptional('/proc/cpuinfo'))
    .split('\n')
    .find((l) => l.slice(0, l.indexOf(':')).trim() === name);
  return text(line?.slice(line.indexOf(':') + 1).trim());
}

async function osRelease(): Promise<ReadonlyMap<string, string>> {
  const content = (await readOptional('/etc/os-release')) || (await readOptional('/usr/lib/os-release'));
  return new Map(
    content.split('\n').map((line): [string, string] => {
      const equals = line.indexOf('=');
      return [line.slice(0, equals), line.slice(equals + 1).replace(/^(["'])(.*)\1$/, '$2')];
    }),
  );
}

/** Empty where the file cannot be read: not every host has every file. */
async function readOptional(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return '';
  }
}
