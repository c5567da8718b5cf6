// SPDX-License-Identifier: Apache-2.0
import { Agent, request } from 'undici';

/** What the daemon tells of itself; absent fields are empty. */
export interface DockerInfo {
  /** Host name of the machine the daemon runs on. */
  readonly name: string;
  readonly osType: string;
}

/** The daemon answered with a status that is no success. */
class DockerApiError extends Error {
  override readonly name = 'DockerApiError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
export const DEFAULT_DOCKER_HOST = 'unix:///var/run/docker.sock';

/** Asks a Docker daemon. `close` ends its connections. */
export class DockerClient {
  readonly #agent: Agent;
  readonly #origin: string;

  /** `host` as in DOCKER_HOST: `unix:///path` or `tcp://host:port`, without TLS. Throws Error for any other. */
  constructor(host: string) {
    if (host.startsWith('unix://')) {
      this.#agent = new Agent({ connect: { socketPath: host.slice('unix://'.length) } });
      this.#origin = 'http://localhost';
    } else if (host.startsWith('tcp://')) {
      this.#agent = new Agent();
      this.#origin = `http://${host.slice('tcp://'.length)}`;
    } else {
      throw new Error(
        `docker host "${host}" is not available; use unix:///path/to/docker.sock or tcp://host:port`,
      );
    }
  }

  /** `GET /info`. Rejects with DockerApiError or the error of the socket. */
  async info(signal: AbortSignal): Promise<DockerInfo> {
    const answer = await this.#get('/info', signal);
    return { name: text(answer.Name), osType: text(answer.OSType) };
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #get(path: string, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    const { statusCode, body } = await request(`${this.#origin}${path}`, { dispatcher: this.#agent, signal });
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > MAX_ANSWER_BYTES)
        throw new Error(`answer to GET ${path} is larger than ${MAX_ANSWER_BYTES} bytes`);
      chunks.push(chunk);
    }
    const answer: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    const fields =
      typeof answer === 'object' && answer !== null ? Object.fromEntries(Object.entries(answer)) : {};
    if (statusCode === 200) return fields;
    throw new DockerApiError(statusCode, text(fields.message) || `GET ${path} answered ${statusCode}`);
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
