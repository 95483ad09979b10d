import { createSocket, type Socket } from 'node:dgram';
import { expect } from 'chai';
import { askTimeServer } from '../../tsa/sntp.ts';
import { TimeServers } from '../../tsa/time-servers.ts';
import { failureAs } from '../support/failure.ts';

const EPOCH = 2_208_988_800;

/** Writes milliseconds since the epoch as NTP does. */
function writeTime(message: Buffer, at: number, ms: number): void {
  const seconds = Math.floor(ms / 1000);
  message.writeUInt32BE((seconds + EPOCH) % 2 ** 32, at);
  message.writeUInt32BE(Math.floor(((ms - seconds * 1000) / 1000) * 2 ** 32), at + 4);
}

/** A time server over UDP whose clock is ahead, and that a test can spoil. */
class TimeServer {
  readonly #socket: Socket = createSocket('udp4');
  ahead = 0;
  spoil: (answer: Buffer) => Buffer | undefined = (answer) => answer;

  async start(): Promise<void> {
    this.#socket.on('message', (question, { port, address }) => {
      const answer = Buffer.alloc(48);
      answer[0] = 0x24;
      answer[1] = 2;
      question.copy(answer, 24, 40, 48);
      const now = Date.now() + this.ahead;
      writeTime(answer, 32, now);
      writeTime(answer, 40, now);
      const sent = this.spoil(answer);
      if (sent !== undefined) this.#socket.send(sent, port, address);
    });
    await new Promise<void>((resolve) => {
      this.#socket.bind(0, '127.0.0.1', resolve);
    });
  }

  get address(): { host: string; port: number } {
    return { host: '127.0.0.1', port: this.#socket.address().port };
  }

  close(): void {
    this.#socket.close();
  }
}

describe('tsa/sntp', () => {
  let server: TimeServer;

  beforeEach(async () => {
    server = new TimeServer();
    await server.start();
  });
  afterEach(() => {
    server.close();
  });

  const ask = (timeoutMs = 5_000): ReturnType<typeof askTimeServer> =>
    askTimeServer(server.address, Date.now, timeoutMs);

  it('finds how far the clock is behind or ahead', async () => {
    for (const ahead of [0, 3_600_000, -3_600_000]) {
      server.ahead = ahead;
      const { offset, delay } = await ask();
      expect(Math.abs(offset - ahead)).to.be.at.most(delay / 2 + 2);
    }
  });

  it('reads times after the end of the first era of NTP, in 2036', async () => {
    server.ahead = Date.UTC(2040, 0, 1) - Date.now();
    expect((await ask()).offset).to.be.within(server.ahead - 10_000, server.ahead + 10_000);
  });

  it('takes the time of one that may be off by less than three seconds', async () => {
    server.spoil = (answer) => short(short(answer, 4, 2), 8, 1.9);
    expect(Math.abs((await ask()).offset)).to.be.below(5_000);
  });

  const moved = (answer: Buffer, at: number, ms: number): Buffer => {
    writeTime(answer, at, Date.now() + ms);
    return answer;
  };
  const short = (answer: Buffer, at: number, seconds: number): Buffer => {
    answer.writeUInt32BE(seconds * 2 ** 16, at);
    return answer;
  };

  const spoiled: readonly (readonly [
    what: string,
    spoil: (answer: Buffer) => Buffer | undefined,
    why: RegExp,
  ])[] = [
    ['says nothing', () => undefined, /did not answer in time/],
    ['answers another question', (answer) => answer.fill(7, 24, 32), /did not answer in time/],
    ['is cut off', (answer) => answer.subarray(0, 47), /did not answer in time/],
    ['is no server', (answer) => answer.fill(0x23, 0, 1), /no time server/],
    ['is not synchronized', (answer) => answer.fill(0xe4, 0, 1), /no time itself/],
    ['sends its clients away', (answer) => answer.fill(0, 1, 2), /no time itself/],
    ['leaves the time out at which it answered', (answer) => answer.fill(0, 40, 48), /left its time out/],
    ['leaves the time out at which it was asked', (answer) => answer.fill(0, 32, 40), /left its time out/],
    ['answers before it was asked', (answer) => moved(answer, 32, 3_600_000), /before it was asked/],
    ['took longer than its answer', (answer) => moved(answer, 32, -3_600_000), /longer than its answer/],
    ['may itself be off by its way', (answer) => answer.fill(0xff, 4, 6), /own time may be off by 32767/],
    ['may itself be off', (answer) => answer.fill(0xff, 8, 10), /own time may be off by 65535/],
    ['may itself be off by a little much', (answer) => short(short(answer, 4, 2.5), 8, 2), /off by 3\.3 s/],
  ];
  for (const [what, spoil, why] of spoiled)
    it(`takes no time from one that ${what}`, async () => {
      server.spoil = spoil;
      expect((await failureAs(Error, ask(200))).message).to.match(why);
    });

  it('says so of one that is not there', async () => {
    const gone = new TimeServer();
    await gone.start();
    const { address } = gone;
    gone.close();
    expect((await failureAs(Error, askTimeServer(address, Date.now, 5_000))).message).to.match(
      /ECONNREFUSED|in time/,
    );
  });
});

describe('tsa/time-servers', () => {
  /** What each server says; undefined: nothing. */
  let offsets: (number | undefined)[];
  let delay: number;
  let silences: string[];
  let servers: TimeServers;
  let steady: number;
  let asked: number;

  const start = (...first: (number | undefined)[]): void => {
    offsets = first;
    servers = new TimeServers({
      servers: first.map((_, port) => ({ host: 'time.example', port })),
      intervalMs: 300_000,
      steady: () => steady,
      maxOffsetMs: 1_000,
      clock: Date.now,
      onSilence: (sentence) => silences.push(sentence),
      ask: ({ port }) => {
        asked++;
        const offset = offsets[port];
        return offset === undefined ? Promise.reject(new Error('gone')) : Promise.resolve({ offset, delay });
      },
    });
  };
  beforeEach(() => {
    [delay, silences, steady, asked] = [0, [], 0, 0];
  });
  afterEach(() => {
    servers.close();
  });

  it('has no opinion before anybody has answered', () => {
    start(5);
    expect([servers.offset, servers.fault]).to.deep.equal([undefined, undefined]);
  });

  const rows: readonly (readonly [
    what: string,
    offsets: (number | undefined)[],
    fault: RegExp | undefined,
  ])[] = [
    ['a difference within the limit', [1_000], undefined],
    ['a clock that is behind', [1_500], /^the clock is 1\.5 s behind the time servers$/],
    ['a clock that is ahead', [-90_000], /^the clock is 90\.0 s ahead of the time servers$/],
    ['one of three that is wrong', [10, 99_000, 20], undefined],
    ['two of three against the clock', [99_000, 10, 99_000], /99\.0 s behind/],
    ['two that differ', [99_000, 10], undefined],
    ['those that answer', [undefined, 99_000, undefined], /99\.0 s behind/],
  ];
  for (const [what, answers, fault] of rows)
    it(`judges ${what}`, async () => {
      start(...answers);
      await servers.compare();
      if (fault === undefined) expect(servers.fault).to.equal(undefined);
      else expect(servers.fault).to.match(fault);
    });

  it('keeps its last comparison while nobody answers, and says so once', async () => {
    start(99_000);
    await servers.compare();
    offsets = [undefined];
    await servers.compare();
    await servers.compare();
    expect(servers.fault).to.match(/99\.0 s behind/);
    expect(silences).to.deep.equal(['gone']);
    offsets = [0];
    await servers.compare();
    expect(servers.fault).to.equal(undefined);
  });

  it('does not count a server that left its time out, as one that does not answer', async () => {
    const bad = new TimeServer();
    const good = new TimeServer();
    await Promise.all([bad.start(), good.start()]);
    bad.spoil = (answer) => answer.fill(0, 32, 48);
    start();
    servers = new TimeServers({
      servers: [bad.address, bad.address, good.address],
      intervalMs: 300_000,
      maxOffsetMs: 5_000,
      clock: Date.now,
      onSilence: (sentence) => silences.push(sentence),
    });
    await servers.compare();
    expect([servers.fault, silences]).to.deep.equal([undefined, []]);
    expect(servers.offset).to.not.equal(undefined);
    bad.close();
    good.close();
  });

  it('forgives what the way of an answer may account for', async () => {
    start(1_400);
    delay = 1_000;
    await servers.compare();
    expect([servers.offset, servers.fault]).to.deep.equal([1_400, undefined]);
    offsets = [1_600];
    await servers.compare();
    expect(servers.fault).to.match(/1\.6 s behind/);
  });

  it('does not stop for one sample: a fault is asked for again at once', async () => {
    const answers = [99_000, 10];
    start(0);
    Object.defineProperty(offsets, 0, { get: () => answers.shift() });
    await servers.compare();
    expect([asked, servers.offset, servers.fault]).to.deep.equal([2, 10, undefined]);
    answers.push(99_000);
    await servers.compare();
    expect([asked, servers.offset, servers.fault]).to.deep.equal([4, 10, undefined]);
    answers.push(99_000, 99_000);
    await servers.compare();
    expect(servers.fault).to.match(/99\.0 s behind/);
    answers.push(98_000);
    await servers.compare();
    expect([asked, servers.fault]).to.deep.equal([7, 'the clock is 98.0 s behind the time servers']);
  });

  it('forgets an old comparison when nobody answers any more', async () => {
    start(99_000);
    await servers.compare();
    offsets = [undefined];
    steady += 900_000;
    await servers.compare();
    expect(servers.fault).to.match(/99\.0 s behind/);
    steady += 1;
    expect([servers.offset, servers.fault]).to.deep.equal([undefined, undefined]);
  });

  it('asks again soon while the clock is at fault, and not as often otherwise', async () => {
    const waits: (number | undefined)[] = [];
    const original = globalThis.setTimeout;
    globalThis.setTimeout = ((work: () => void, ms?: number) => {
      waits.push(ms);
      return original(work, 1_000_000);
    }) as typeof setTimeout;
    try {
      start(99_000);
      await servers.compare();
      offsets = [0];
      await servers.compare();
      servers.close();
      await servers.compare();
    } finally {
      globalThis.setTimeout = original;
    }
    expect(waits).to.deep.equal([15_000, 300_000]);
  });

  it('takes no answer that was longer on its way than the clock may be off', async () => {
    start(99_000);
    delay = 3_000;
    await servers.compare();
    expect(servers.offset).to.equal(undefined);
    expect(silences).to.have.length(1);
  });
});
