// SPDX-License-Identifier: Apache-2.0

const NEWLINE = 0x0a;

/** Lines of a byte stream without their end; empty ones are left out. Throws where a line exceeds `maxBytes`. */
export async function* readLines(stream: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<string> {
  let pieces: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      pieces.push(chunk.subarray(from, end));
      const line = Buffer.concat(pieces).toString('utf8').trim();
      pieces = [];
      length = 0;
      from = end + 1;
      if (line !== '') yield line;
    }
    pieces.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > maxBytes) throw new Error(`event is larger than ${maxBytes} bytes`);
  }
}
