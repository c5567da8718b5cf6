// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeOtlpLeniently } from '../../codecs/otlp/decode.ts';
import { encodeOtlp } from '../../codecs/otlp/encode.ts';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never, testSettings } from '../../internal/testing/settings.ts';
import { batchFromFolded, toFolded } from '../../pdata/folded.ts';
import { Intake } from './intake.ts';
import { nested, plain, post, running } from './testing/running-receiver.ts';

const FOLDED = 'main;idle 1\nmain;work 2';
const request = Buffer.from(encodeOtlp(batchFromFolded(FOLDED), { revision: '1.10' }));

/** The request with a second resource, whose one profile names a stack that is not there. */
const partlyBroken = Buffer.concat([
  request,
  nested(Buffer.of(0x08, 0xff, 0xff, 0x03, 0x22, 1, 1), 0x0a, 0x12, 0x12, 0x12),
]);

describe('requests with a broken profile', () => {
  const message =
    /^refused 1 of 2 profiles, the first because: invalid OTLP profiles at byte \d+: stack index 65535 is out of range/;

  it('are taken without it, and the client is told, over gRPC and HTTP', async (t) => {
    const { next, send, settings, url } = await running(t);
    const answers = [
      await send(partlyBroken),
      Buffer.from(await (await post(url, partlyBroken)).arrayBuffer()),
    ];
    for (const answer of answers) {
      const { partialSuccess } = plain('Response', answer) as { partialSuccess: Record<string, unknown> };
      assert.equal(partialSuccess['rejectedProfiles'], 1);
      assert.match(String(partialSuccess['errorMessage']), message);
    }
    assert.deepEqual(
      next.batches.map((taken) => toFolded(taken)),
      [FOLDED, FOLDED],
    );
    for (const transport of ['grpc', 'http']) {
      const labels = { transport, reason: 'malformed' };
      assert.equal(settings.meter.value('receiver_rejected_profiles', labels), 1);
      assert.equal(settings.meter.value('receiver_refused_requests', labels), 0);
      assert.equal(settings.meter.value('receiver_otlp_requests', { transport }), 1);
    }
  });

  it('are logged once a minute with what came meanwhile', async () => {
    const settings = testSettings('otlp');
    const clock = new FakeClock();
    const intake = new Intake(settings, new RecordingConsumer(), 1_000, clock);
    const accept = () => intake.accept('grpc', 1, () => decodeOtlpLeniently(partlyBroken), never());
    for (const waitMs of [0, 59_999, 1]) {
      await clock.advance(waitMs);
      await accept();
    }
    const lines = settings.logger.entries.filter((entry) => entry.level === 'warn');
    assert.deepEqual(
      lines.map((line) => [line.fields['requests'], line.fields['profiles']]),
      [
        [1, 1],
        [2, 2],
      ],
    );
    for (const line of lines) assert.match(String(line.fields['reason']), message);
  });

  it('that the pipeline refuses are not counted: they come again', async () => {
    const settings = testSettings('otlp');
    const next = new RecordingConsumer();
    next.failWith(new Error('no'));
    const intake = new Intake(settings, next, 1_000);
    await assert.rejects(
      intake.accept('grpc', 1, () => decodeOtlpLeniently(partlyBroken), never()),
      { code: 14 },
    );
    assert.equal(settings.meter.value('receiver_rejected_profiles'), 0);
    assert.deepEqual(settings.logger.messages('warn'), []);
  });

  it('are refused where no other is good', async (t) => {
    const { next, send, url } = await running(t);
    const broken = partlyBroken.subarray(request.length);
    await assert.rejects(send(broken), { code: 3 });
    assert.equal((await post(url, broken)).status, 400);
    assert.equal(next.offered.length, 0);
  });
});
