import { expect } from 'chai';
import { FrameMeter, type FloodReason } from '../../../server/http2/frame-meter.ts';
import { Flag, frame, Frame, greeting, PREFACE } from './support/raw-frames.ts';

/** A meter behind a greeting, and what moves its clock. */
function started(): { meter: FrameMeter; pass: (ms: number) => void } {
  let now = 0;
  const meter = new FrameMeter(() => now);
  expect(meter.take(greeting())).to.equal(undefined);
  return { meter, pass: (ms) => (now += ms) };
}

/** How many of these frames it takes, and why no more. */
function taken(
  meter: FrameMeter,
  bytes: Buffer,
  most = 10_000,
): { count: number; reason: FloodReason | undefined } {
  for (let count = 0; count < most; count++) {
    const reason = meter.take(bytes);
    if (reason !== undefined) return { count, reason };
  }
  return { count: most, reason: undefined };
}

describe('server: the meter of HTTP/2 frames', () => {
  it('takes nothing but the preface first, in whatever pieces', () => {
    expect(new FrameMeter().take(Buffer.from('GET / HTTP/1.1\r\n'))).to.equal('preface');
    const meter = new FrameMeter();
    for (const byte of PREFACE.subarray(0, -1)) expect(meter.take(Buffer.from([byte]))).to.equal(undefined);
    expect(meter.isBegun).to.equal(false);
    expect(meter.take(Buffer.from('x'))).to.equal('preface');
  });

  it('counts each kind of frame that is no call against one budget', () => {
    const rows: readonly [string, Buffer, number, FloodReason][] = [
      ['pings', frame(Frame.ping, 0, Buffer.alloc(8)), 127, 'pings'],
      ['settings', frame(Frame.settings), 127, 'frames'],
      ['priorities', frame(Frame.priority, 1, Buffer.alloc(5)), 127, 'frames'],
      ['windows', frame(Frame.window, 1, Buffer.alloc(4)), 127, 'frames'],
      ['unknown frames', frame(Frame.unknown, 1, Buffer.alloc(16_384)), 127, 'frames'],
      ['empty data', frame(Frame.data, 1), 127, 'frames'],
      ['small data', frame(Frame.data, 1, Buffer.alloc(255)), 127, 'frames'],
      ['padded data', frame(Frame.data, 1, Buffer.alloc(300, 255), Flag.padded), 127, 'frames'],
      ['continuations without end', frame(Frame.continuation, 1, Buffer.alloc(1)), 127, 'frames'],
      ['resets', frame(Frame.reset, 1, Buffer.alloc(4)), 63, 'frames'],
      ['heads', frame(Frame.headers, 1, Buffer.alloc(1), Flag.endHeaders), 31, 'frames'],
    ];
    for (const [name, bytes, count, reason] of rows)
      expect(taken(started().meter, bytes), name).to.deep.equal({ count, reason });
  });

  it('does not count what bodies are made of', () => {
    const { meter } = started();
    expect(taken(meter, frame(Frame.data, 1, Buffer.alloc(256))).reason).to.equal(undefined);
  });

  it('takes no more than 8 MiB of bodies between two answers, more of a proxy', () => {
    const bytes = frame(Frame.data, 1, Buffer.alloc(16 * 1024));
    const { meter } = started();
    expect(taken(meter, bytes, 512).reason).to.equal(undefined);
    meter.answered();
    expect(taken(meter, bytes)).to.deep.equal({ count: 512, reason: 'frames' });
    const proxied = new FrameMeter(() => 0, true);
    expect(proxied.take(greeting())).to.equal(undefined);
    expect(taken(proxied, bytes)).to.deep.equal({ count: 4096, reason: 'frames' });
  });

  it('refills the budget with time, to its size and no further, and with each answer', () => {
    const { meter, pass } = started();
    const ping = frame(Frame.ping, 0, Buffer.alloc(8));
    pass(3_600_000);
    expect(taken(meter, ping).count).to.equal(128);
    meter.prove();
    meter.prove();
    expect(taken(meter, ping).count).to.equal(400 - 128);
    pass(3_600_000);
    expect(taken(meter, ping).count).to.equal(400);
    pass(1000);
    expect(taken(meter, ping).count).to.equal(20);
    meter.answered();
    expect(taken(meter, ping).count).to.equal(16);
  });

  it('lets calls go on for ever that are answered, with all that clients send around them', () => {
    const { meter } = started();
    const call = Buffer.concat([
      frame(Frame.headers, 1, Buffer.alloc(300), Flag.endHeaders),
      frame(Frame.data, 1, Buffer.alloc(2000)),
      frame(Frame.data, 1, Buffer.alloc(0), Flag.endStream),
      frame(Frame.window, 0, Buffer.alloc(4)),
      frame(Frame.window, 1, Buffer.alloc(4)),
      frame(Frame.ping, 0, Buffer.alloc(8), Flag.ack),
      frame(Frame.ping, 0, Buffer.alloc(8)),
      frame(Frame.settings, 0, Buffer.alloc(0), Flag.ack),
    ]);
    for (let i = 0; i < 10_000; i++) {
      expect(meter.take(call)).to.equal(undefined);
      meter.answered();
    }
  });

  it('bounds a head with all its continuations, and knows since when it is not complete', () => {
    const { meter, pass } = started();
    expect(meter.headSince).to.equal(undefined);
    pass(7);
    meter.take(frame(Frame.headers, 1, Buffer.alloc(16_000)));
    expect(meter.headSince).to.equal(7);
    pass(7);
    expect(taken(meter, frame(Frame.continuation, 1, Buffer.alloc(16_000)))).to.deep.equal({
      count: 3,
      reason: 'head',
    });
    const other = started();
    other.meter.take(frame(Frame.headers, 1, Buffer.alloc(16_000)));
    other.meter.take(frame(Frame.continuation, 1, Buffer.alloc(16_000), Flag.endHeaders));
    expect(other.meter.headSince).to.equal(undefined);
  });

  it('finds frames in pieces of any size', () => {
    const bytes = Buffer.concat([
      greeting(),
      ...Array.from({ length: 500 }, () => frame(Frame.ping, 0, Buffer.alloc(8))),
    ]);
    for (const size of [1, 2, 9, 10, 1000]) {
      const meter = new FrameMeter(() => 0);
      let at = 0;
      while (at < bytes.length && meter.take(bytes.subarray(at, at + size)) === undefined) at += size;
      // The preface, the settings and 127 pings.
      expect(at, String(size)).to.be.within(24 + 9 + 127 * 17 + 9 - size, 24 + 9 + 127 * 17 + 9);
    }
  });
});
