// SPDX-License-Identifier: Apache-2.0
import { decodeFolded, decodeStackLines } from '../../codecs/folded/folded.ts';
import { decodeJfrInTurns, noJfrLosses } from '../../codecs/jfr/decode.ts';
import { decodeTree } from '../../codecs/pyroscope/tree.ts';
import { decodeTrie } from '../../codecs/pyroscope/trie.ts';
import { decodeSpeedscope, type SpeedscopeUnit } from '../../codecs/speedscope/decode.ts';
import type { StackProfileOptions } from '../../pdata/named-stacks.ts';
import {
  type Profile,
  type ProfilesBatch,
  withProfiles,
  withSamples,
  withScopes,
} from '../../pdata/profiles-batch.ts';
import { withColumns } from '../../pdata/samples.ts';
import type { LabelSet } from '../../relabel/relabel.ts';
import type { IngestQuery } from './ingest-query.ts';
import type { ReadRequest, ReadSeries } from './intake.ts';
import { CPU_TIME, type Kind, kindOf, pprofName, SPACE, WALL } from './kinds.ts';
import type { Part } from './multipart.ts';
import type { ProfileReader } from './profile-reader.ts';
import { Refusal } from './refusal.ts';
import { displayNames } from './sample-type-config.ts';

const SECOND = 1_000_000_000n;

/** What a request to /ingest carries: the parts of a form, or one without a name that is the body. */
export interface IngestBody {
  readonly query: IngestQuery;
  readonly parts: readonly Part[];
}

/** The series of a request to /ingest; rejects with Refusal or DecodeError. */
export async function readIngest({ query, parts }: IngestBody, reader: ProfileReader): Promise<ReadRequest> {
  const { format } = query;
  const read = new IngestReader(query, parts, reader);
  if (format === 'pprof') return { format, series: [await read.pprof()] };
  if (format === 'speedscope') return { format, series: await read.speedscope() };
  if (format === 'jfr') return { format, ...(await read.jfr()) };
  return { format, series: [await read.stacks(format)] };
}

class IngestReader {
  readonly #query: IngestQuery;
  readonly #parts: readonly Part[];
  readonly #reader: ProfileReader;

  constructor(query: IngestQuery, parts: readonly Part[], reader: ProfileReader) {
    this.#query = query;
    this.#parts = parts;
    this.#reader = reader;
  }

  async pprof(): Promise<ReadSeries> {
    if (this.#part('prev_profile') !== undefined)
      throw new Refusal(
        'unsupported',
        'part "prev_profile": differences to it are not made; update the sender',
      );
    const bytes = this.#profile();
    const config = this.#part('sample_type_config');
    const names = config === undefined ? undefined : displayNames(config.bytes);
    const batch = await this.#reader.pprof(bytes);
    const labels = this.#labels(pprofName(batch, names), this.#query.app);
    const { from, until } = this.#query;
    if ([...batch.profiles()].every(({ profile }) => tellsTime(profile)))
      return { labels, batch, profiles: [bytes] };
    // The file would go out without the time.
    return { labels, batch: withTime(batch, from, until > from ? until - from : 0n) };
  }

  /** A recording of Java: as many series as it has kinds of events; its labels are in a part of their own. */
  async jfr(): Promise<Pick<ReadRequest, 'series' | 'losses'>> {
    const recording = await this.#reader.plain(this.#profile('jfr'), 'jfr');
    const part = this.#part('labels');
    const labels = part === undefined ? undefined : await this.#reader.plain(part.bytes, 'jfr labels');
    const { sampleRate, app, from } = this.#query;
    const lost = noJfrLosses();
    const options = {
      ...(labels !== undefined && { labels }),
      ...(sampleRate > 0n && { sampleRate: Number(sampleRate) }),
      losses: lost,
    };
    const decoded = await this.#reader.whileAwaited((signal) => decodeJfrInTurns(recording, options, signal));
    const series = decoded.map(({ name, labels: own, batch }) => {
      this.#reader.check(batch);
      return { labels: new Map([...this.#labels(name, app), ...own]), batch: withTime(batch, from, 0n) };
    });
    return { series, losses: { ...lost } };
  }

  async stacks(format: 'folded' | 'lines' | 'trie' | 'tree'): Promise<ReadSeries> {
    const { kind, service } = this.#kind();
    const isText = format === 'folded' || format === 'lines';
    const bytes = this.#profile();
    // The first bytes of a trie may be those of gzip data.
    const plain = isText ? await this.#reader.plain(bytes, format) : bytes;
    const batch = DECODERS[format](plain, this.#optionsOf(kind));
    this.#reader.check(batch);
    return { labels: this.#labels(kind.name, service), batch: this.#inUnits(batch, kind) };
  }

  /** As many series as the file has profiles, told apart by their names. */
  async speedscope(): Promise<ReadSeries[]> {
    const bytes = await this.#reader.plain(this.#profile(), 'speedscope');
    const { kind, service } = this.#kind();
    const kindOfUnit = (unit: SpeedscopeUnit, count: number): Kind => speedscopeKind(unit, kind, count > 1);
    const profiles = decodeSpeedscope(bytes, {
      describe: (unit, count) => {
        const own = kindOfUnit(unit, count);
        // Times are kept as they are: as ticks of a nanosecond.
        return {
          ...this.#optionsOf(own),
          ...(isTime(unit) && own.timer !== undefined && { periodType: own.periodType, period: 1n }),
        };
      },
    });
    if (profiles.length === 0) throw new Refusal('malformed', 'speedscope: no profiles');
    const names = new Map<string, number>();
    return profiles.map(({ name, unit, batch }) => {
      this.#reader.check(batch);
      const own = kindOfUnit(unit, profiles.length);
      const labels = new Map(this.#labels(own.name, service));
      const seen = (names.get(name) ?? 0) + 1;
      names.set(name, seen);
      labels.set('profile_name', seen === 1 ? name : `${name} #${seen}`);
      return { labels, batch: isTime(unit) ? batch : this.#inUnits(batch, own) };
    });
  }

  #kind(): { kind: Kind; service: string } {
    const { app, units } = this.#query;
    const found = kindOf(app, units);
    if (found === undefined) throw new Refusal('malformed', `units "${units}" are not known`);
    return found;
  }

  #optionsOf({ sampleType, periodType, timer }: Kind): StackProfileOptions {
    const { from, until, sampleRate } = this.#query;
    const times = { timeUnixNano: from, durationNano: until > from ? until - from : 0n };
    if (timer === undefined) return { ...times, sampleType, periodType, period: 1n };
    if (sampleRate === 0n) return { ...times, sampleType };
    return { ...times, sampleType, periodType, period: this.#period() };
  }

  #period(): bigint {
    return SECOND / (this.#query.sampleRate || 1n);
  }

  /** Ticks of a timer for wall time become that time; those of CPU time stay ticks. */
  #inUnits(batch: ProfilesBatch, { timer }: Kind): ProfilesBatch {
    if (timer !== 'wall' || this.#query.sampleRate === 0n) return batch;
    const period = this.#period();
    return mapProfiles(batch, (p) => {
      const values = p.samples.values.map((value) => {
        if (value * period >= 2n ** 63n)
          throw new Refusal('malformed', `${value} samples are over 63 bits of time`);
        return value * period;
      });
      return withSamples(p, withColumns(p.samples, { values }));
    });
  }

  #labels(name: string, service: string): LabelSet {
    const { labels, spyName } = this.#query;
    const all = new Map([['__name__', name], ['__delta__', 'false'], ['pyroscope_spy', spyName], ...labels]);
    const own = labels.get('service_name') ?? '';
    all.set('service_name', own === '' ? service : own);
    if (own !== '' && !all.has('app_name')) all.set('app_name', service);
    return all;
  }

  #part(name: string): Part | undefined {
    return this.#parts.find((part) => part.name === name);
  }

  /** The body, or the part of the form that is the profile. */
  #profile(name = 'profile'): Uint8Array {
    const part = this.#part('') ?? this.#part(name);
    if (part === undefined) throw new Refusal('malformed', `the form has no part "${name}"`);
    if (part.bytes.length === 0) throw new Refusal('malformed', 'the profile is empty');
    return part.bytes;
  }
}

const DECODERS = { folded: decodeFolded, lines: decodeStackLines, trie: decodeTrie, tree: decodeTree };

/** Old agents of Python and Ruby tell microseconds in place of nanoseconds, which are in 1970. */
const EARLIEST_NANO = 365n * 86_400n * SECOND;
const tellsTime = ({ timeUnixNano }: Profile): boolean => timeUnixNano >= EARLIEST_NANO;

/** The batch with a time where it has none. */
function withTime(batch: ProfilesBatch, timeUnixNano: bigint, durationNano: bigint): ProfilesBatch {
  return mapProfiles(batch, (p) => {
    if (tellsTime(p)) return p;
    return withSamples(p, p.samples, {
      timeUnixNano,
      durationNano: p.durationNano === 0n ? durationNano : p.durationNano,
    });
  });
}

function mapProfiles(batch: ProfilesBatch, edit: (p: Profile) => Profile): ProfilesBatch {
  return batch.mapResources((rp) => {
    const scopes = rp.scopes.map((sp) => withProfiles(sp, sp.profiles.map(edit)));
    return withScopes(rp, scopes);
  });
}

const isTime = (unit: SpeedscopeUnit): boolean => unit !== 'none' && unit !== 'bytes';

/** What a profile of speedscope is, where the request says that it is `kind`. Several of one file are no CPU profiles. */
function speedscopeKind(unit: SpeedscopeUnit, kind: Kind, isOneOfMany: boolean): Kind {
  if (kind.timer === undefined || unit === 'none') return kind;
  if (unit === 'bytes') return SPACE;
  return kind.timer === 'wall' || isOneOfMany ? WALL : CPU_TIME;
}
