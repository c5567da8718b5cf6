// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';

const PATH = '/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export';
/** Wide enough that neither end of the bench is what a relay waits for. */
const WINDOW_BYTES = 16 << 20;
/** Node refuses streams of a session that holds more than `maxSessionMemory` megabytes. */
const OPTIONS = { settings: { initialWindowSize: WINDOW_BYTES }, maxSessionMemory: 1024 };
const EMPTY_MESSAGE = Buffer.alloc(5);

/** A gRPC message with its five bytes of prefix, ready to be written as it is. */
export function frame(message: Uint8Array, compressed: boolean): Buffer {
  const out = Buffer.alloc(5 + message.length);
  out.writeUInt8(compressed ? 1 : 0, 0);
  out.writeUInt32BE(message.length, 1);
  out.set(message, 5);
  return out;
}

/** A gRPC server that takes everything and looks at nothing, unless a message is waited for. */
export class Sink {
  readonly port: number;
  /** Bytes of messages as they came, prefixes included. */
  receivedBytes = 0;
  readonly #server: Http2Server;
  #waiting: ((message: Buffer) => void) | undefined;

  static async listen(): Promise<Sink> {
    const server = createServer(OPTIONS);
    server.on('session', (session) => session.setLocalWindowSize(WINDOW_BYTES));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Sink(server);
  }

  private constructor(server: Http2Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('stream', (stream) => this.#take(stream));
  }

  /** The next message that arrives, decompressed. */
  next(): Promise<Buffer> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  close(): void {
    this.#server.close();
  }

  #take(stream: ServerHttp2Stream): void {
    const kept: Buffer[] | undefined = this.#waiting === undefined ? undefined : [];
    // A relay that is stopped in the middle of a call resets its stream.
    stream.on('error', () => stream.destroy());
    stream.on('data', (chunk: Buffer) => {
      this.receivedBytes += chunk.length;
      kept?.push(chunk);
    });
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(EMPTY_MESSAGE);
      if (kept !== undefined) this.#deliver(Buffer.concat(kept));
    });
  }

  #deliver(framed: Buffer): void {
    const message = framed.subarray(5);
    this.#waiting?.(framed.readUInt8(0) === 1 ? gunzipSync(message) : message);
    this.#waiting = undefined;
  }
}

/** How a load ends: requests sent, and the first status other than OK. */
export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly failure: string | undefined;
}

/** A gRPC client on one connection that sends frames made beforehand, so that it costs little beside what it loads. */
export class Load {
  readonly #session: ClientHttp2Session;
  readonly #headers: IncomingHttpHeaders;

  static async connect(port: number, gzip: boolean): Promise<Load> {
    const session = connect(`http://127.0.0.1:${port}`, OPTIONS);
    await once(session, 'connect');
    return new Load(session, gzip);
  }

  private constructor(session: ClientHttp2Session, gzip: boolean) {
    this.#session = session;
    this.#headers = {
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(gzip ? { 'grpc-encoding': 'gzip' } : {}),
    };
  }

  /** One request; gives the status that is not OK. */
  send(framed: Buffer): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request(this.#headers);
      let status = 'no status';
      const read = (headers: IncomingHttpHeaders): void => {
        const code = headers['grpc-status'];
        if (code !== undefined) status = `${String(code)} ${String(headers['grpc-message'] ?? '')}`;
      };
      stream.on('response', read).on('trailers', read).on('error', reject);
      stream.on('close', () => resolve(status.startsWith('0 ') ? undefined : status));
      stream.resume();
      stream.end(framed);
    });
  }

  /** Keeps `inFlight` requests going for so long. */
  async saturate(frames: readonly Buffer[], inFlight: number, seconds: number): Promise<LoadResult> {
    const started = performance.now();
    const end = started + seconds * 1000;
    let requests = 0;
    let failure: string | undefined;
    const lane = async (): Promise<void> => {
      while (performance.now() < end && failure === undefined) {
        failure ??= await this.send(nth(frames, requests++));
      }
    };
    await Promise.all(Array.from({ length: inFlight }, lane));
    return { requests, seconds: (performance.now() - started) / 1000, failure };
  }

  /** Sends at a steady rate, whatever is still under way, but never more than `limit` at once. */
  async pace(
    frames: readonly Buffer[],
    perSecond: number,
    limit: number,
    seconds: number,
  ): Promise<LoadResult> {
    const started = performance.now();
    let requests = 0;
    let failure: string | undefined;
    const underWay = new Set<Promise<void>>();
    for (let due = started; due < started + seconds * 1000; due += 1000 / perSecond) {
      await delay(Math.max(0, due - performance.now()));
      if (underWay.size >= limit) await Promise.race(underWay);
      const sent = this.send(nth(frames, requests++)).then((status) => {
        failure ??= status;
        underWay.delete(sent);
      });
      underWay.add(sent);
    }
    await Promise.all(underWay);
    return { requests, seconds: (performance.now() - started) / 1000, failure };
  }

  close(): void {
    this.#session.close();
  }
}

function nth(frames: readonly Buffer[], i: number): Buffer {
  const found = frames[i % frames.length];
  if (found === undefined) throw new Error('no frame to send');
  return found;
}
