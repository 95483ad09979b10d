import { once } from 'node:events';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { concat, utf8 } from '../../../core/bytes.ts';
import type { CtLog, CtLogOptions } from '../../../ct-log/ct-log.ts';
import { endCtLog } from '../../../ct-log/end-log.ts';
import { logKeys } from '../../../ct-log/log-keys.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { parseCheckpoint } from '../../../tlog/format/checkpoint.ts';
import { encodeVkey } from '../../../tlog/format/vkey.ts';
import { parseWitnessPolicy } from '../../../tlog/format/witness-policy.ts';
import { notedAnchor } from '../../../tlog/store/head-anchor.ts';
import { sqliteCommitStore } from '../../../tlog/store/sqlite-commit-store.ts';
import { cosignaturesOf, requireQuorum } from '../../../tlog/tree/cosignatures.ts';
import { createWitness, openWitness, type OpenedWitness } from '../../../witness/witness-directory.ts';
import { serveWitness, type RunningWitness } from '../../../witness/witness-listener.ts';
import { Fault, faultyCommits } from '../../ct-log/support/faults.ts';
import { entry, ISSUER, testLog, type TestLog } from '../../ct-log/support/test-log.ts';
import { failureAs } from '../../support/failure.ts';

/** A real witness behind a server that may do something else instead. */
interface FrontedWitness {
  readonly vkey: string;
  readonly url: string;
  /** In the place of the witness, where it is there. */
  instead: RequestListener | undefined;
  /** Requests so far. */
  asked: number;
  close(): Promise<void>;
}

describe('tlog/sequence/witnesses', function () {
  this.timeout(60_000);
  let test: TestLog;
  const witnesses: FrontedWitness[] = [];

  const witness = async (name: string): Promise<FrontedWitness> => {
    const directory = join(test.root, name);
    await createWitness(directory, name, undefined);
    const opened = await openWitness(directory, undefined, Date.now);
    const [, key] = logKeys(test.identity);
    const logs = await withLog(directory, encodeVkey(key), opened);
    const front: FrontedWitness = {
      vkey: encodeVkey(opened.vkey),
      url: '',
      instead: undefined,
      asked: 0,
      close,
    };
    const server = createServer((request, response) => {
      front.asked++;
      if (front.instead !== undefined) {
        front.instead(request, response);
        return;
      }
      const forward = async (): Promise<void> => {
        const chunks: Buffer[] = [];
        for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
        const answer = await fetch(`${logs.running.url}${request.url ?? ''}`, {
          method: request.method ?? '',
          ...(request.method === 'GET' ? {} : { body: Buffer.concat(chunks) }),
        });
        const type = answer.headers.get('content-type') ?? '';
        response.writeHead(answer.status, { 'content-type': type }).end(await answer.text());
      };
      void forward();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    async function close(): Promise<void> {
      server.closeAllConnections();
      server.close();
      await logs.running.close();
      logs.opened.close();
    }
    Object.assign(front, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    witnesses.push(front);
    return front;
  };

  const withLog = async (
    directory: string,
    vkey: string,
    before: OpenedWitness,
  ): Promise<{ opened: OpenedWitness; running: RunningWitness }> => {
    before.close();
    writeFileSync(join(directory, 'logs'), `log ${vkey}\n`);
    const opened = await openWitness(directory, undefined, Date.now);
    return { opened, running: await serveWitness(opened, { host: '127.0.0.1', port: 0 }, () => undefined) };
  };

  const policyOf = (quorum: string) =>
    parseWitnessPolicy(
      sha256,
      [...witnesses.map(({ vkey, url }, i) => `witness w${i + 1} ${vkey} ${url}`), quorum].join('\n'),
    );

  const open = (isRequired: boolean, quorum: string, more: Partial<CtLogOptions> = {}): Promise<CtLog> =>
    test.open({
      witnesses: { policy: policyOf(quorum), isRequired, timeoutMs: 500 },
      limits: { signingTimeoutMs: 700 },
      ...more,
    });

  /** Names of the witnesses that cosigned what is served. */
  const cosigners = (log: CtLog, quorum: string): string[] =>
    cosignaturesOf(parseCheckpoint(log.reader.checkpoint()), policyOf(quorum).witnesses).map(
      ({ name }) => name,
    );

  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await delay(10);
  };

  beforeEach(async () => {
    test = await testLog();
    for (const name of ['one', 'two', 'three']) await witness(name);
  });
  afterEach(async () => {
    for (const one of witnesses.splice(0)) await one.close();
    await test.remove();
  });

  const TWO = 'group all-of-them 2 w1 w2 w3\nquorum all-of-them';

  it('releases nothing before the quorum has cosigned a head that covers it', async () => {
    const log = await open(true, TWO);
    const held: (() => void)[] = [];
    for (const one of witnesses.slice(1))
      one.instead = (_, response) => {
        held.push(() => response.writeHead(500).end());
      };
    let isReleased = false;
    const appending = log.append(entry(0)).then((committed) => {
      isReleased = true;
      return committed;
    });
    await until(() => held.length >= 2);
    expect([isReleased, log.tree.head().head.size]).to.deep.equal([false, 0]);
    for (const one of witnesses) one.instead = undefined;
    for (const go of held) go();
    await appending.catch(() => log.append(entry(1)));
    const checkpoint = parseCheckpoint(log.reader.checkpoint());
    expect(requireQuorum(checkpoint, policyOf(TWO)).length).to.be.at.least(2);
    // Every head that was ever served has the quorum.
    for (let i = 2; i < 20; i++) {
      await log.append(entry(i));
      requireQuorum(parseCheckpoint(log.reader.checkpoint()), policyOf(TWO));
    }
    expect(log.status().witnesses).to.deep.include({ isRequired: true, failure: undefined });
  });

  it('goes on with those that are enough while one is down, slow, lies or answers with another key', async () => {
    const log = await open(true, TWO);
    const other = 'http://127.0.0.1:1/add-checkpoint';
    const faults: readonly [what: string, listener: RequestListener, failure: RegExp][] = [
      ['down', (request) => request.socket.destroy(), /cannot be asked/],
      ['slow', () => undefined, /does not answer within 500 ms/],
      ['broken', (_, response) => response.writeHead(500).end(), /answers 500/],
      ['unknown to it', (_, response) => response.writeHead(404).end(), /does not know the log/],
      ['redirecting', (_, response) => response.writeHead(302, { location: other }).end(), /answers 302/],
      ['empty', (_, response) => response.writeHead(200).end(), /no cosignature/],
      [
        'another key',
        (_, response) => response.writeHead(200).end('— two AAAAAQID\n'),
        /without a cosignature of the key/,
      ],
      [
        'endless',
        (_, response) => {
          endless(response);
        },
        /answers without end/,
      ],
      [
        'never of one size',
        (_, response) => response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end('0\n'),
        /names another size|contradicts itself/,
      ],
    ];
    for (const [i, [what, listener, failure]] of faults.entries()) {
      const [, second] = witnesses;
      if (second !== undefined) second.instead = listener;
      await log.append(entry(i));
      await until(() => log.status().witnesses?.witnesses[1]?.failure !== undefined);
      await until(() => failure.test(log.status().witnesses?.witnesses[1]?.failure ?? ''));
      expect(cosigners(log, TWO), what).to.include.members(['w1', 'w3']);
      if (second !== undefined) second.instead = undefined;
      await log.append(entry(100 + i));
      await until(() => log.status().witnesses?.witnesses[1]?.failure === undefined);
    }
  });

  const endless = (response: Parameters<RequestListener>[1]): void => {
    const chunk = Buffer.alloc(16_384, 0x61);
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', more);
    more();
  };

  it('refuses while there is no quorum, and goes on by itself, with all that was committed', async () => {
    const log = await open(true, TWO);
    for (const one of witnesses.slice(1)) one.instead = (_, response) => response.writeHead(500).end();
    const error = await failureAs(LogError, log.append(entry(0)));
    expect([error.code, error.mayBeLogged]).to.deep.equal(['LOG_UNAVAILABLE', true]);
    expect(log.refusal()?.code).to.equal('LOG_UNAVAILABLE');
    expect(log.status().signingFailure).to.match(
      /the quorum all-of-them has not cosigned the head with 1 entries/,
    );
    for (const one of witnesses) one.instead = undefined;
    await until(() => log.refusal() === undefined);
    const { index } = await log.append(entry(1));
    expect(index).to.equal(1);
    requireQuorum(parseCheckpoint(log.reader.checkpoint()), policyOf(TWO));
  });

  it('is off the path of issuance where the quorum is not required, and the head is cosigned soon', async () => {
    const log = await open(false, TWO);
    const stuck: (() => void)[] = [];
    for (const one of witnesses)
      one.instead = (_, response) => stuck.push(() => response.writeHead(500).end());
    await log.append(entry(0));
    expect(cosigners(log, TWO)).to.deep.equal([]);
    for (const one of witnesses) one.instead = undefined;
    for (const go of stuck) go();
    await until(() => cosigners(log, TWO).length === 3);
    // What was asked for in between is not lost, nor is the file that others read.
    await log.append(entry(1));
    await until(() => cosigners(log, TWO).length >= 2);
    await log.close();
    const file = parseCheckpoint(readFileSync(join(test.directory, 'checkpoint')));
    expect(file.size).to.equal(2);
  });

  for (const isRequired of [true, false]) {
    it(`does not start where a witness has cosigned more (required: ${isRequired})`, async () => {
      const copy = join(test.root, 'copy');
      const first = await open(true, TWO);
      await first.append(entry(0));
      await first.close();
      cpSync(test.directory, copy, { recursive: true });
      const second = await open(true, TWO);
      await second.append(entry(1));
      await second.close();
      rmSync(test.directory, { recursive: true });
      cpSync(copy, test.directory, { recursive: true });
      const error = await failureAs(LogError, open(isRequired, TWO));
      expect(error.code).to.equal('LOG_ROLLED_BACK');
      expect(error.message).to.match(/the witness w\d has cosigned a head with 2 entries, and the log has 1/);
    });

    it(`stops where a witness comes to know another history while it runs (required: ${isRequired})`, async () => {
      const log = await open(isRequired, TWO);
      await log.append(entry(0));
      await until(() => cosigners(log, TWO).length === 3);
      // The directory was cloned, and the clone runs somewhere else.
      const clone = join(test.root, 'clone');
      cpSync(test.directory, clone, { recursive: true });
      const other = await test.open({ directory: clone, witnesses: undefined });
      const witnessed = await open(true, TWO, { directory: clone }).catch(() => undefined);
      expect(witnessed, 'the clone is open already').to.equal(undefined);
      await other.close();
      const cloned = await open(true, TWO, { directory: clone });
      await cloned.append(entry(7));
      await cloned.close();
      await log.append(entry(1)).catch(() => undefined);
      await until(() => log.status().blocked !== undefined);
      expect(log.status().blocked).to.match(
        /the witness w\d has cosigned another head with 2 entries|has cosigned/,
      );
      const refused = await failureAs(LogError, log.append(entry(2)));
      expect(refused.code).to.equal('LOG_UNAVAILABLE');
      expect(log.tree.head().head.size, 'nothing of it was released where it is required').to.be.at.most(
        isRequired ? 1 : 2,
      );
    });
  }

  for (const isRequired of [true, false])
    it(`counts the mere word of a witness that it knows more as a missing cosignature (required: ${isRequired})`, async () => {
      const [liar] = witnesses;
      if (liar === undefined) throw new Error('no witness');
      const says =
        (status: number, body = ''): RequestListener =>
        (request, response) => {
          const type = { 'content-type': 'text/x.tlog.size' };
          if (request.method === 'GET') response.writeHead(404).end();
          else response.writeHead(status, type).end(body);
        };
      liar.instead = says(409, '4711\n');
      const log = await open(isRequired, TWO);
      let i = 0;
      for (const [listener, failure] of [
        [says(409, '4711\n'), /says that it has cosigned 4711 entries, and shows no such head/],
        [says(422), /does not take this log for the one .*, and shows no such head/],
        // A head that somebody else signed, or nobody.
        [
          showing(Buffer.from('localhost/log/2026\n4711\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n')),
          /shows no such head/,
        ],
        // One that the log signed, and has.
        [showing(log.reader.checkpoint()), /the head that it shows is one of this log/],
      ] as const) {
        liar.instead = listener;
        await log.append(entry(i++));
        await until(() => failure.test(log.status().witnesses?.witnesses[0]?.failure ?? ''));
        expect(log.status().blocked).to.equal(undefined);
        expect(log.refusal()).to.equal(undefined);
      }
      await until(() => cosigners(log, TWO).length === 2);
      liar.instead = undefined;
      await log.append(entry(i));
      await until(() => log.status().witnesses?.witnesses[0]?.failure === undefined);
      await log.close();
    });

  /** A witness that says that it knows more, and shows that. */
  const showing =
    (checkpoint: Uint8Array): RequestListener =>
    (request, response) => {
      if (request.method === 'GET') response.writeHead(200).end(checkpoint);
      else response.writeHead(422).end();
    };

  it('takes a log for continued that goes on after a kill between the commit and the cosignature', async () => {
    const log = await open(true, TWO);
    await log.append(entry(0));
    for (const one of witnesses) one.instead = (_, response) => response.writeHead(500).end();
    void log.append(entry(1)).catch(() => undefined);
    await until(() => log.status().signingFailure !== undefined);
    // As a kill leaves it.
    const killed = join(test.root, 'killed');
    cpSync(test.directory, killed, { recursive: true });
    for (const one of witnesses) one.instead = undefined;
    const again = await open(true, TWO, { directory: killed });
    expect(again.tree.head().head.size).to.equal(2);
    expect((await again.append(entry(2))).index).to.equal(2);
  });

  it('serves no head that has no quorum after a start, and what was served also without witnesses', async () => {
    const first = await open(true, TWO);
    await first.append(entry(0));
    await first.close();
    for (const one of witnesses.slice(1)) one.instead = (_, response) => response.writeHead(500).end();
    const log = await open(true, TWO);
    requireQuorum(parseCheckpoint(log.reader.checkpoint()), policyOf(TWO));
    void log.append(entry(1)).catch(() => undefined);
    await until(() => log.status().signingFailure !== undefined);
    // As a kill leaves it: two entries are committed, and nobody has seen the second one.
    const killed = join(test.root, 'killed');
    cpSync(test.directory, killed, { recursive: true });
    const refused = await failureAs(LogError, open(true, TWO, { directory: killed }));
    expect(refused.code).to.equal('LOG_STORAGE');
    expect(refused.message).to.match(/the quorum all-of-them has not cosigned the head with 2 entries/);
    expect(parseCheckpoint(readFileSync(join(killed, 'checkpoint'))).size).to.equal(1);
    for (const one of witnesses) one.instead = undefined;
    const again = await open(true, TWO, { directory: killed });
    requireQuorum(parseCheckpoint(again.reader.checkpoint()), policyOf(TWO));
  });

  it('releases nothing without a quorum either when the stores were opened again after a fault', async () => {
    const commits = faultyCommits(sqliteCommitStore(test.directory, test.identity), {
      commit: new Fault('applied but reported failed', 0),
    });
    const log = await open(true, TWO, { stores: { commits } });
    for (const one of witnesses.slice(1)) one.instead = (_, response) => response.writeHead(500).end();
    const refused = await failureAs(LogError, log.append(entry(0)));
    expect(refused.mayBeLogged).to.equal(true);
    await until(() => log.refusal() === undefined || /quorum/.test(log.status().failed ?? ''));
    expect(log.tree.head().head.size).to.equal(0);
    for (const one of witnesses) one.instead = undefined;
    await until(() => log.refusal() === undefined);
    const checkpoint = parseCheckpoint(log.reader.checkpoint());
    expect(checkpoint.size).to.equal(1);
    requireQuorum(checkpoint, policyOf(TWO));
  });

  it('keeps the cosignatures of the last head when the log ends, or gets them before', async () => {
    const cosigned = (): number =>
      requireQuorum(parseCheckpoint(readFileSync(join(test.directory, 'checkpoint'))), policyOf(TWO)).length;
    const anchor = { at: join(test.root, 'anchor'), mode: 'asynchronous' } as const;
    const end = async (more: Partial<Parameters<typeof endCtLog>[0]>): Promise<void> => {
      const { directory, signers } = test;
      await endCtLog({ directory, signers, chain: [ISSUER], clock: Date.now, ...more });
    };
    const log = await open(true, TWO, { anchor });
    await log.append(entry(0));
    await log.close();
    const whole = `${test.root}.whole`;
    try {
      cpSync(test.directory, whole, { recursive: true });
      // By a command that knows no witness, and by the service that was started again after it.
      await end({ anchor: 'noted' });
      expect(cosigned()).to.be.at.least(2);
      expect(await notedAnchor(test.directory)).to.deep.include(anchor);
      const ended = await open(true, TWO);
      requireQuorum(parseCheckpoint(ended.reader.checkpoint()), policyOf(TWO));
      await ended.close();
      expect(cosigned()).to.be.at.least(2);
      // One entry more, which nobody has cosigned.
      rmSync(test.directory, { recursive: true });
      cpSync(whole, test.directory, { recursive: true });
      const alone = await test.open();
      await alone.append(entry(1));
      await alone.close();
      expect(() => cosigned()).to.throw(LogError);
      await end({ witnesses: { policy: policyOf(TWO), isRequired: false, timeoutMs: 5_000 } });
      expect(cosigned()).to.equal(3);
    } finally {
      rmSync(whole, { recursive: true, force: true });
    }
  });

  it('counts no cosignature that does not hold', () => {
    const [one] = witnesses;
    const policy = policyOf(TWO);
    const text = utf8('localhost/log/2026\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n');
    const vkey = policy.witnesses[0]?.vkey;
    const line = {
      name: vkey?.name ?? '',
      keyId: vkey?.keyId ?? utf8(''),
      signature: concat([new Uint8Array(72)]),
    };
    expect(one).not.to.equal(undefined);
    expect(() => cosignaturesOf({ text, signatures: [line] }, policy.witnesses)).to.throw(
      LogError,
      /witness w1/,
    );
    expect(() => requireQuorum({ text, signatures: [] }, policy)).to.throw(
      LogError,
      /no cosignature of w1, w2, w3/,
    );
  });
});
