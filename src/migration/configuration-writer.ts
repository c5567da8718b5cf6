// SPDX-License-Identifier: Apache-2.0
import { BlockReader, type Given, type ReadBlock, type Surroundings } from './block-reader.ts';
import { LOST_COMPONENTS, PASSING, type Producer, PRODUCERS, SENDING } from './components/catalog.ts';
import { CONTENTS } from './components/content.ts';
import { SOURCES } from './components/discovery.ts';
import { ENRICH } from './components/relabel.ts';
import { SCRAPE } from './components/scrape.ts';
import { type Program } from './evaluate/program.ts';
import type { Instance } from './evaluate/scope.ts';
import { fixedValue } from './evaluate/text.ts';
import { writeExporters } from './exporters.ts';
import { PipelineList } from './pipelines.ts';
import { PathFinder, type ProfilePath } from './profile-paths.ts';
import { readsName, relabelProcessor } from './relabel-processor.ts';
import { receiveHttpNode } from './receive-http.ts';
import { writeSettings } from './settings.ts';
import { TargetWriter } from './targets.ts';
import { fixedNode, MappingNode, plainNode } from './yaml/node.ts';

/** Writes the configuration of a program: receivers, processors, exporters and the pipelines between them. */
export class ConfigurationWriter {
  readonly #program: Program;
  readonly #around: Surroundings;
  readonly #reader: BlockReader;
  readonly #targets: TargetWriter;
  readonly #paths: PathFinder;
  readonly #root = new MappingNode();
  readonly #pipelines = new PipelineList();
  readonly #exporterIds = new Map<Instance, readonly string[]>();
  readonly #enrichIds = new Map<Instance, string | undefined>();

  constructor(program: Program, around: Surroundings) {
    this.#program = program;
    this.#around = around;
    this.#reader = new BlockReader(around);
    const instances = new Map<unknown, Instance>(program.instances.map((instance) => [instance, instance]));
    this.#targets = new TargetWriter(around, this.#reader, instances);
    this.#paths = new PathFinder(around.findings, this.#reader, instances);
  }

  /** Undefined where nothing of the program is about profiles. */
  write(): MappingNode | undefined {
    for (const section of ['receivers', 'processors', 'exporters', 'service']) this.#root.at(section);
    for (const instance of this.#program.instances) {
      const producer = PRODUCERS[instance.component];
      if (producer !== undefined) this.#writeProducer(instance, producer);
    }
    const hasProducers = this.#section('receivers').entries.size > 0;
    if (!hasProducers) this.#writeWithoutProducers();
    this.#reportRest(hasProducers);
    writeSettings(this.#program, this.#reader, this.#around.findings, this.#root);
    if (this.#section('receivers').entries.size === 0) return undefined;
    if (this.#section('processors').entries.size === 0) this.#root.entries.delete('processors');
    this.#pipelines.write(this.#root.at('service', 'pipelines'));
    return this.#root;
  }

  #section(name: 'receivers' | 'processors' | 'exporters'): MappingNode {
    return this.#root.at(name);
  }

  #writeProducer(instance: Instance, { type, spec, needsTargets }: Producer): void {
    const { findings } = this.#around;
    const read = this.#reader.read(instance.block, spec, instance.scope);
    const node = new MappingNode();
    const targets = read.given.get('targets');
    const hasTargets = targets !== undefined && this.#targets.write(targets, node);
    if (needsTargets && !hasTargets) {
      findings.lost(instance.place, instance.id, 'nothing is left of its targets, so it is left out');
      return;
    }
    const paths = this.#pathsOf(read);
    node.setAll(read.node);
    this.#decide(instance, read, node, paths);
    const id = `${type}/${instance.label}`;
    this.#section('receivers').set(id, node, instance.block.comments, instance.place);
    for (const path of paths) this.#addPipeline(id, path);
    if (paths.length > 0) return;
    findings.note(instance.place, instance.id, 'forwards to nothing: its profiles are thrown away');
    this.#section('exporters').set('nop', new MappingNode(), [`where the profiles of ${instance.id} end`]);
    this.#pipelines.add(id, [], ['nop']);
  }

  #pathsOf(read: ReadBlock): readonly ProfilePath[] {
    const forward = read.given.get('forward_to');
    return forward === undefined ? [] : this.#paths.paths(forward);
  }

  /** What no table can say of a receiver. */
  #decide(instance: Instance, read: ReadBlock, node: MappingNode, paths: readonly ProfilePath[]): void {
    const { findings } = this.#around;
    if (instance.component === 'phlare.ebpf' && !node.entries.has('service_name'))
      node.set('service_name', fixedNode(instance.id), [
        'phlare.ebpf falls back to the name of the component',
      ]);
    if (instance.component === 'pyroscope.receive_http') {
      receiveHttpNode(read, this.#reader, instance, node, findings);
      this.#tellOfNames(paths);
    }
    if (instance.component.endsWith('.scrape') && !node.entries.has('job_name'))
      node.set('job_name', fixedNode(instance.id), [
        'as documented; where it was not set, no label "job" was sent',
      ]);
    const clustering = read.inner.find((block) => block.name === 'clustering');
    if (clustering !== undefined) this.#cluster(clustering, instance, node);
    if (paths.some((path) => path.through.length > 0))
      node.set('private_labels', fixedNode('keep'), ['for the rules behind it; they are removed there']);
  }

  /** Rules on `__name__` saw names of applications where profiles came over /ingest. */
  #tellOfNames(paths: readonly ProfilePath[]): void {
    for (const instance of new Set(paths.flatMap(({ through }) => through))) {
      if (instance.component === 'pyroscope.enrich' || !readsName(instance, this.#reader)) continue;
      const why =
        'over /ingest the label __name__ was the name of the application, which is service.name here; __name__ is the type of the profile, as it is over push.v1';
      this.#around.findings.note(instance.place, instance.id, why);
    }
  }

  #cluster(block: ReadBlock['inner'][number], instance: Instance, node: MappingNode): void {
    const spec = SCRAPE.blocks?.['clustering']?.spec ?? { options: {} };
    const { node: clustering } = this.#reader.read(block, spec, instance.scope);
    const enabled = clustering.entries.get('enabled')?.node;
    if (enabled?.kind === 'plain' && enabled.value === false) return;
    const reason =
      'targets are scraped by every collector until the members are written: there is no gossip here';
    this.#around.findings.lost(block.place, 'clustering', reason);
    node.set('clustering', new MappingNode().set('enabled', plainNode(false)), [
      'was enabled: write members (static, dns or kubernetes), and then enabled: true',
    ]);
  }

  #addPipeline(receiver: string, { through, to }: ProfilePath): void {
    const processors: string[] = [];
    let rules: Instance[] = [];
    const flush = (): void => {
      if (rules.length > 0)
        processors.push(
          relabelProcessor(rules, this.#reader, this.#around.findings, this.#section('processors')),
        );
      rules = [];
    };
    for (const instance of through) {
      if (instance.component !== 'pyroscope.enrich') {
        rules.push(instance);
        continue;
      }
      flush();
      const id = this.#enrich(instance);
      if (id !== undefined) processors.push(id);
    }
    flush();
    this.#pipelines.add(receiver, processors, this.#exportersOf(to));
  }

  #enrich(instance: Instance): string | undefined {
    if (this.#enrichIds.has(instance)) return this.#enrichIds.get(instance);
    const read = this.#reader.read(instance.block, ENRICH, instance.scope);
    const node = new MappingNode();
    const targets: Given | undefined = read.given.get('targets');
    const id = `enrich/${instance.label}`;
    const hasTargets = targets !== undefined && this.#targets.write(targets, node);
    this.#enrichIds.set(instance, hasTargets ? id : undefined);
    if (!hasTargets) {
      this.#around.findings.lost(
        instance.place,
        instance.id,
        'nothing is left of its targets, so it is left out',
      );
      return undefined;
    }
    node.setAll(read.node);
    nameService(node);
    this.#section('processors').set(id, node, instance.block.comments, instance.place);
    return id;
  }

  #exportersOf(instance: Instance): readonly string[] {
    const known = this.#exporterIds.get(instance);
    if (known !== undefined) return known;
    const ids = writeExporters(instance, this.#reader, this.#around.findings, this.#section('exporters'));
    this.#exporterIds.set(instance, ids);
    return ids;
  }

  /** A file that only says where profiles go is written out all the same: people put their receivers in. */
  #writeWithoutProducers(): void {
    const senders = this.#program.instances.filter(({ component }) => SENDING[component] !== undefined);
    if (senders.length === 0) return;
    for (const instance of senders) {
      this.#paths.used.add(instance);
      this.#pipelines.add('nop', [], this.#exportersOf(instance));
    }
    const [first] = senders;
    if (first === undefined) return;
    this.#around.findings.note(
      first.place,
      first.id,
      'nothing sends to it: put a receiver in the place of nop',
    );
    this.#section('receivers').set('nop', new MappingNode(), [
      'the file has no source of profiles: put yours here',
    ]);
  }

  #whyLost(component: string): string {
    const module = component.slice(0, component.indexOf('.'));
    if (this.#program.unread.has(module)) return `is of the module "${module}", which could not be read`;
    return LOST_COMPONENTS.find(({ pattern }) => pattern.test(component))?.reason ?? '';
  }

  /** Components that nothing came of. */
  #reportRest(hasProducers: boolean): void {
    const { findings } = this.#around;
    for (const instance of this.#program.instances) {
      const { component, id, place } = instance;
      const content = CONTENTS[component];
      if (PRODUCERS[component] !== undefined) continue;
      if (content !== undefined) this.#reader.read(instance.block, content, instance.scope);
      else if (SOURCES[component] !== undefined || component === 'discovery.relabel') {
        if (!this.#targets.used.has(instance)) findings.note(place, id, 'left out: nothing uses its targets');
      } else if (PASSING[component] !== undefined || SENDING[component] !== undefined) {
        if (hasProducers && !this.#paths.used.has(instance))
          findings.note(place, id, 'left out: nothing forwards to it');
      } else findings.lost(place, id, this.#whyLost(component));
    }
  }
}

/** The label `service_name` of Pyroscope is the attribute `service.name` of profiles; that of targets stays. */
function nameService(enrich: MappingNode): void {
  const isService = (key: string): boolean => {
    const node = enrich.entries.get(key)?.node;
    return node?.kind === 'text' && fixedValue(node.text) === 'service_name';
  };
  const isGiven = enrich.entries.has('profiles_match_label');
  if (isService(isGiven ? 'profiles_match_label' : 'target_match_label'))
    enrich.set('profiles_match_label', fixedNode('service.name'));
}
