import { createPublicKey, verify } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { concat, fromHex, toHex, utf8, utf8Text } from '../../core/bytes.ts';
import { encodeAddCheckpoint, parseAddCheckpoint } from '../../tlog/format/add-checkpoint.ts';
import { parseCheckpoint } from '../../tlog/format/checkpoint.ts';
import { cosignedText, parseCosignature } from '../../tlog/format/cosignature.ts';
import { consistencyProof } from '../../tlog/format/merkle-proof.ts';
import { parseSignatureLines } from '../../tlog/format/signed-note.ts';
import { hashesFromTiles, tilePath } from '../../tlog/format/tile.ts';
import { encodeVkey } from '../../tlog/format/vkey.ts';
import { FormatError } from '../../core/errors.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import {
  createWitness,
  logKeysIn,
  openWitness,
  type OpenedWitness,
} from '../../witness/witness-directory.ts';
import { serveWitness, type RunningWitness } from '../../witness/witness-listener.ts';
import { madeLog, madeLogKey, type MadeLogKey } from '../ct-log/support/made-log.ts';
import { failureAs } from '../support/failure.ts';
import { fileSteps } from '../support/file-steps.ts';
import { runs } from '../support/runs.ts';

type Files = ReadonlyMap<string, Uint8Array>;

const checkpointOf = (files: Files): Uint8Array => files.get('checkpoint') ?? new Uint8Array();

/** What a log of these files sends to a witness that has seen `old` entries of it. */
async function requestOf(files: Files, old: number): Promise<Uint8Array> {
  const checkpoint = checkpointOf(files);
  const { size } = parseCheckpoint(checkpoint);
  const hashes = hashesFromTiles(sha256, size, (tile) => files.get(tilePath(tile)) ?? new Uint8Array());
  const proof = old > size ? [] : await consistencyProof(sha256, old, size, hashes);
  return encodeAddCheckpoint({ old, proof, checkpoint });
}

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly body: string;
}

describe('witness', function () {
  this.timeout(60_000);
  const NAME = 'witness.example.org/w1';
  let root: string;
  let directory: string;
  let owner: MadeLogKey;
  let opened: OpenedWitness;
  let running: RunningWitness;
  let now: number;

  const start = async (at = directory): Promise<void> => {
    opened = await openWitness(at, undefined, () => now);
    running = await serveWitness(opened, { host: '127.0.0.1', port: 0 }, () => undefined);
  };
  const stop = async (): Promise<void> => {
    await running.close();
    opened.close();
  };
  const post = async (body: Uint8Array): Promise<Answer> => {
    const response = await fetch(`${running.url}/add-checkpoint`, {
      method: 'POST',
      body: Buffer.from(body),
    });
    return {
      status: response.status,
      type: response.headers.get('content-type'),
      body: await response.text(),
    };
  };

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-witness-'));
    directory = join(root, 'witness');
    now = Date.parse('2026-11-30T12:00:00Z');
    owner = madeLogKey();
    await createWitness(directory, NAME, undefined);
    appendFileSync(join(directory, 'logs'), `log ${encodeVkey(owner.key)}\n`);
    await start();
  });
  afterEach(async () => {
    await stop();
    rmSync(root, { recursive: true, force: true });
  });

  /** Throws unless the answer is one cosignature of these files by this witness; returns its time. */
  const cosignedTime = (answer: Answer, files: Files): number => {
    expect(answer.status, answer.body).to.equal(200);
    const [line, ...more] = parseSignatureLines(utf8(answer.body));
    expect(more).to.deep.equal([]);
    const { vkey } = opened;
    expect([line?.name, toHex(line?.keyId ?? new Uint8Array())]).to.deep.equal([NAME, toHex(vkey.keyId)]);
    const { time, signature } = parseCosignature(line?.signature ?? new Uint8Array());
    const der = Buffer.from(concat([fromHex('302a300506032b6570032100'), vkey.key]));
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    const { text } = parseCheckpoint(checkpointOf(files));
    expect(verify(null, cosignedText(text, time), key, signature)).to.equal(true);
    return time;
  };

  it('cosigns a log that grows, head by head, with the time of each', async () => {
    let old = 0;
    for (const size of [1, 2, 255, 256, 300, 300, 700]) {
      const files = madeLog(owner, size);
      now += 5_000;
      expect(cosignedTime(await post(await requestOf(files, old)), files)).to.equal(now / 1000);
      old = size;
    }
  });

  it('remembers after a restart', async () => {
    await post(await requestOf(madeLog(owner, 300), 0));
    await stop();
    await start();
    const other = madeLog(owner, 300, (i) => `other ${i}`);
    expect((await post(await requestOf(other, 300))).status).to.equal(409);
    const larger = madeLog(owner, 301);
    cosignedTime(await post(await requestOf(larger, 300)), larger);
  });

  it('says which size it cosigned last where another one is named', async () => {
    await post(await requestOf(madeLog(owner, 300), 0));
    for (const old of [0, 299])
      expect(await post(await requestOf(madeLog(owner, 400), old)), String(old)).to.deep.equal({
        status: 409,
        type: 'text/x.tlog.size',
        body: '300\n',
      });
    // A log that was put back to an older state says so by its size.
    expect((await post(await requestOf(madeLog(owner, 200), 200))).body).to.equal('300\n');
  });

  it('refuses what no witness may cosign, each with its status, and remembers nothing of it', async () => {
    const files = madeLog(owner, 300);
    await post(await requestOf(files, 0));
    const fork = madeLog(owner, 400, (i) => `other ${i}`);
    const right = parseAddCheckpoint(await requestOf(madeLog(owner, 400), 300));
    const unknown = madeLog(madeLogKey('unknown.example.org'), 3);
    const foreign = madeLog(madeLogKey(), 400);
    const empty = utf8Text(checkpointOf(madeLog(owner, 0))).replace('47DEQpj8', '47DEQpj9');
    for (const [what, body, status] of [
      ['a fork', await requestOf(fork, 300), 422],
      ['a proof too much', encodeAddCheckpoint({ ...right, proof: [...right.proof, sha256(utf8(''))] }), 422],
      ['no proof', encodeAddCheckpoint({ ...right, proof: [] }), 422],
      [
        'a proof between equal sizes',
        encodeAddCheckpoint({ old: 300, proof: right.proof, checkpoint: checkpointOf(files) }),
        422,
      ],
      [
        'another head of that size',
        await requestOf(
          madeLog(owner, 300, (i) => `other ${i}`),
          300,
        ),
        409,
      ],
      ['a log that it does not know', await requestOf(unknown, 0), 404],
      ['a signature by another key', await requestOf(foreign, 300), 403],
      ['a root that was not signed', utf8(`old 0\n\n${empty}`), 403],
      ['an old size beyond the checkpoint', encodeAddCheckpoint({ ...right, old: 401 }), 400],
      ['no request', utf8('hello'), 400],
      [
        'an old size with a zero in front',
        utf8(utf8Text(encodeAddCheckpoint(right)).replace('old ', 'old 0')),
        400,
      ],
      [
        '64 lines of proof',
        encodeAddCheckpoint({ ...right, proof: Array.from({ length: 64 }, () => sha256(utf8(''))) }),
        400,
      ],
      [
        'a checkpoint without an end',
        encodeAddCheckpoint({ ...right, checkpoint: right.checkpoint.subarray(0, -1) }),
        400,
      ],
      ['a body too large', new Uint8Array(65 * 1024).fill(0x61), 413],
    ] as const) {
      const answer = await post(body);
      expect([what, answer.status], answer.body).to.deep.equal([what, status]);
    }
    cosignedTime(await post(encodeAddCheckpoint(right)), madeLog(owner, 400));
  });

  it('keeps lines of others out of what it remembers, and shows that', async () => {
    const files = madeLog(owner, 3);
    const more = concat([checkpointOf(files), utf8('— witness.other/w AAAAAQID\n')]);
    await post(encodeAddCheckpoint({ old: 0, proof: [], checkpoint: more }));
    const file = toHex(sha256(utf8(owner.origin)));
    const shown = await fetch(`${running.url}/${file}/checkpoint`);
    expect(shown.headers.get('cache-control')).to.equal('no-store');
    const { size, signatures } = parseCheckpoint(new Uint8Array(await shown.arrayBuffer()));
    expect([size, signatures.map(({ name }) => name)]).to.deep.equal([3, [owner.origin, NAME]]);
    for (const [path, method, status] of [
      ['/', 'GET', 200],
      [`/${'0'.repeat(64)}/checkpoint`, 'GET', 404],
      ['/add-checkpoint', 'GET', 405],
      ['/', 'DELETE', 405],
      ['/../logs', 'GET', 404],
    ] as const)
      expect([path, (await fetch(`${running.url}${path}`, { method })).status]).to.deep.equal([path, status]);
  });

  it('never cosigns two heads of one size, whatever step it is killed at', async () => {
    await post(await requestOf(madeLog(owner, 100), 0));
    const first = madeLog(owner, 200);
    const second = madeLog(owner, 200, (i) => (i < 100 ? `entry ${i}` : `other ${i}`));
    const steps: [step: string, copy: string][] = [];
    await fileSteps(
      directory,
      async () => {
        cosignedTime(await post(await requestOf(first, 100)), first);
      },
      (step) => {
        const copy = join(root, `killed-${steps.length}`);
        cpSync(directory, copy, { recursive: true });
        steps.push([step, copy]);
      },
    );
    expect(steps).to.have.lengthOf(5);
    for (const [step, copy] of steps) {
      await stop();
      await start(copy);
      const answer = await post(await requestOf(second, 100));
      // Before the file was in its place nothing had left; from then on the second one is refused.
      const isThere = step.startsWith('rename') || step === 'sync heads';
      expect([step, answer.status], answer.body).to.deep.equal([step, isThere ? 409 : 200]);
      expect(readdirSync(join(copy, 'heads')).filter((name) => name.endsWith('.tmp'))).to.deep.equal([]);
    }
  });

  it('lets of two contradicting heads at once one through', async () => {
    const forks = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        requestOf(
          madeLog(owner, 3, (at) => `${i} ${at}`),
          0,
        ),
      ),
    );
    const statuses = (await Promise.all(forks.map(post))).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).to.have.lengthOf(1);
    expect(statuses.filter((status) => status === 409)).to.have.lengthOf(19);
  });

  it('cosigns nothing while what it remembers is damaged, or cannot be written', async () => {
    await post(await requestOf(madeLog(owner, 3), 0));
    const heads = join(directory, 'heads');
    const [file = ''] = readdirSync(heads);
    const bytes = readFileSync(join(heads, file));
    writeFileSync(join(heads, file), bytes.subarray(0, 40));
    expect((await post(await requestOf(madeLog(owner, 4), 0))).status).to.equal(500);
    expect((await post(await requestOf(madeLog(owner, 4), 3))).status).to.equal(500);
    writeFileSync(join(heads, file), bytes);
    rmSync(heads, { recursive: true });
    writeFileSync(heads, 'no directory');
    expect((await post(await requestOf(madeLog(owner, 4), 3))).status).to.equal(500);
  });

  it('has one process at a time, the key of its name, and logs that can be read', async () => {
    expect((await failureAs(LogError, openWitness(directory, undefined, Date.now))).code).to.equal(
      'LOG_LOCKED',
    );
    expect((await failureAs(LogError, openWitness(root, undefined, Date.now))).code).to.equal('LOG_MISSING');
    expect((await failureAs(LogError, createWitness(directory, NAME, undefined))).code).to.equal(
      'LOG_EXISTS',
    );
    await failureAs(FormatError, createWitness(join(root, 'x'), 'two words', undefined));
    const sealed = join(root, 'sealed');
    const vkey = await createWitness(sealed, NAME, 'secret');
    const other = await openWitness(sealed, 'secret', Date.now);
    expect(encodeVkey(other.vkey)).to.equal(encodeVkey(vkey));
    other.close();
    writeFileSync(join(sealed, 'witness.vkey'), `${encodeVkey(opened.vkey)}\n`);
    expect((await failureAs(LogError, openWitness(sealed, 'secret', Date.now))).code).to.equal(
      'LOG_WRONG_KEY',
    );
    for (const text of [
      'log',
      'logs x',
      `log ${encodeVkey(vkey)}`,
      'log a b c',
      `log ${encodeVkey(owner.key)} ftp://x`,
    ])
      await failureAs(FormatError, () => logKeysIn(`# logs\n${text}\n`));
  });

  it('closes a connection that sends its request for ever', async () => {
    const sending = httpRequest(`${running.url}/add-checkpoint`, {
      method: 'POST',
      headers: { 'content-length': '1000' },
    });
    const ended = new Promise((resolve) => sending.on('error', resolve).on('response', resolve));
    sending.write('old ');
    await ended;
    const files = madeLog(owner, 3);
    cosignedTime(await post(await requestOf(files, 0)), files);
  });

  it('reads requests as they are written, and throws its one error for others', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), (bytes, text) => {
        for (const input of [
          bytes,
          utf8(text),
          concat([utf8('old 1\n'), bytes]),
          concat([utf8('old 1\n\n'), bytes]),
        ])
          try {
            const request = parseAddCheckpoint(input);
            expect(encodeAddCheckpoint(request)).to.deep.equal(input);
          } catch (error) {
            expect(error).to.be.instanceOf(FormatError);
          }
      }),
      { numRuns: runs(300) },
    );
  });
});
