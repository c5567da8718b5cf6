// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { packageRoot } from '../src/internal/package-root.ts';

const root = packageRoot();

function yamlFiles(dir: string): string[] {
  return readdirSync(join(root, dir), { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return yamlFiles(path);
    return entry.name.endsWith('.yaml') ? [path] : [];
  });
}

function documents(path: string): Record<string, unknown>[] {
  return parseAllDocuments(readFileSync(join(root, path), 'utf8')).map((doc) => {
    assert.deepEqual(doc.errors, [], path);
    return doc.toJS() as Record<string, unknown>;
  });
}

const COLLECTOR_CONFIGS = ['config.yaml', 'deploy/kubernetes/config.yaml'];

describe('what is deployed', () => {
  for (const config of COLLECTOR_CONFIGS) {
    it(`${config} is a valid configuration`, () => {
      const result = spawnSync(
        join(root, 'bin', 'otelcol-profiles'),
        ['validate', '--config', join(root, config)],
        {
          encoding: 'utf8',
          env: { ...process.env, K8S_NODE_NAME: 'node-1' },
        },
      );
      assert.equal(result.status, 0, result.stderr);
    });
  }

  it('docker-compose.yaml is accepted by Docker Compose, which sees all three services', () => {
    const plugin = spawnSync('docker', ['compose', 'version']).status === 0;
    const [command, ...args] = plugin ? (['docker', 'compose'] as const) : (['docker-compose'] as const);
    const resolved = execFileSync(command, [...args, '-f', join(root, 'docker-compose.yaml'), 'config'], {
      encoding: 'utf8',
    });
    for (const service of ['collector:', 'pyroscope:', 'grafana:'])
      assert.ok(resolved.includes(service), resolved);
  });

  it('every file that a manifest mounts or builds from is there', () => {
    const kustomization = documents('deploy/kubernetes/kustomization.yaml')[0];
    const resources = kustomization?.['resources'] as string[];
    const present = readdirSync(join(root, 'deploy/kubernetes'));
    for (const file of [...resources, 'config.yaml']) assert.ok(present.includes(file), file);
  });

  it('every YAML file parses', () => {
    const files = yamlFiles('deploy');
    assert.ok(files.length >= 6);
    for (const file of files) assert.ok(documents(file).length > 0, file);
  });

  it('the DaemonSet may do what its processor asks of the API', () => {
    const rules = documents('deploy/kubernetes/rbac.yaml').flatMap(
      (d) => (d['rules'] ?? []) as { resources: string[]; verbs: string[] }[],
    );
    const watched = new Set(
      rules
        .filter((r) => ['get', 'list', 'watch'].every((v) => r.verbs.includes(v)))
        .flatMap((r) => r.resources),
    );
    for (const kind of ['pods', 'namespaces', 'nodes', 'replicasets']) assert.ok(watched.has(kind), kind);
  });

  it('the DaemonSet sees the processes of its node', () => {
    const [set] = documents('deploy/kubernetes/daemonset.yaml');
    const text = JSON.stringify(set);
    assert.match(text, /"hostPID":true/);
    assert.match(text, /"privileged":true/);
    assert.match(text, /K8S_NODE_NAME/);
  });
});
