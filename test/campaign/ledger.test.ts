import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { AcknowledgedEntry, AnswerReader, SignedTree } from '../../campaign/answers.ts';
import { Ledger, type CurrentLog, type Observation } from '../../campaign/ledger.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { utf8, utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { CompactRange } from '../../tlog/format/compact-range.ts';

const leaf = (name: string): Uint8Array => sha256(utf8(name));

function treeOf(names: readonly string[], timestamp: number): SignedTree {
  const range = new CompactRange(sha256);
  for (const name of names) range.append(leaf(name));
  return { size: names.length, root: range.root(), timestamp };
}

const log = (
  names: readonly string[],
  timestamp: number,
  tiles: Record<string, string> = {},
): CurrentLog => ({
  head: treeOf(names, timestamp),
  hashes: names.map(leaf),
  tiles: new Map(Object.entries(tiles)),
});

/** Answers are the texts `INDEX NAME TIME`, heads are `TIME NAME…`. What is signed wrongly is `bad`. */
const READER: AnswerReader = {
  entry(body) {
    const [index = '', name = '', time = ''] = body.split(' ');
    if (name === 'bad') throw new FormatError('MALFORMED', 'the signature of an SCT does not hold');
    return Promise.resolve<AcknowledgedEntry>({
      index: Number(index),
      leafHash: leaf(name),
      timestamp: Number(time),
    });
  },
  head(checkpoint) {
    const [time = '', ...names] = utf8Text(checkpoint).split(' ');
    return treeOf(names, Number(time));
  },
};

describe('campaign/ledger', () => {
  let folder: string;
  let ledger: Ledger;
  const open = async (): Promise<Ledger> =>
    Ledger.open(join(folder, 'ledger'), { certificates: READER, artifacts: READER });
  const answer = (body: string, status = 200, more: Partial<Observation> = {}): Observation =>
    ({ kind: 'answer', log: 'certificates', status, body, ...more }) as Observation;
  const head = (checkpoint: string): Observation => ({ kind: 'head', log: 'certificates', checkpoint });
  const verify = (current: CurrentLog, upTo?: number): string =>
    ledger.verify('certificates', current, upTo).join('; ');
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mayfly-ledger-'));
    ledger = await open();
  });
  afterEach(() => {
    ledger.close();
    rmSync(folder, { recursive: true });
  });

  it('finds nothing wrong with a log that keeps its promises', async () => {
    await ledger.note([answer('0 a 10'), head('11 a'), answer('1 b 20'), head('21 a b'), head('21 a b')]);
    await ledger.note([answer('', 503, { retryAfter: '1' }), { kind: 'silence', log: 'certificates' }]);
    expect(verify(log(['a', 'b', 'c'], 30))).to.equal('');
    expect(ledger.counts).to.deep.equal({ acknowledged: 2, heads: 2, refused: 1, silent: 1 });
  });

  const BROKEN: Readonly<Record<string, { notes: Observation[]; now: CurrentLog; found: RegExp }>> = {
    'an acknowledged entry that is not there': {
      notes: [answer('1 b 10')],
      now: log(['a'], 20),
      found: /entry 1 was acknowledged, and the log has 1/,
    },
    'another entry in its place': {
      notes: [answer('0 b 10')],
      now: log(['a'], 20),
      found: /another entry is at 0 than was acknowledged/,
    },
    'an entry that is acknowledged in two places': {
      notes: [answer('0 a 10'), answer('1 a 11')],
      now: log(['a', 'a'], 20),
      found: /acknowledged at 0 and again at 1/,
    },
    'two roots of one size': {
      notes: [head('10 a'), head('11 b')],
      now: log(['a'], 20),
      found: /two roots of size 1 were signed/,
    },
    'a head of another log': {
      notes: [head('10 x')],
      now: log(['a', 'b'], 20),
      found: /the signed root of size 1 is not that of the log/,
    },
    'a signed head that is larger than the log': {
      notes: [head('10 a b')],
      now: log(['a'], 20),
      found: /a head of size 2 was signed, and the log has 1 entries/,
    },
    'heads whose times go back': {
      notes: [head('10 a'), head('9 a b')],
      now: log(['a', 'b', 'c'], 20),
      found: /the times of heads do not rise/,
    },
    'a head that is older than an entry in it': {
      notes: [answer('0 a 15'), head('10 a')],
      now: log(['a', 'b'], 20),
      found: /a head over entry 0 is older than the entry/,
    },
    'an SCT that does not verify': {
      notes: [answer('0 bad 10')],
      now: log(['a'], 20),
      found: /the signature of an SCT does not hold/,
    },
    'a refusal that is no 503': {
      notes: [answer('fault', 500)],
      now: log(['a'], 20),
      found: /refused with 500 fault/,
    },
    'a 503 without Retry-After': {
      notes: [answer('', 503)],
      now: log(['a'], 20),
      found: /without Retry-After/,
    },
  };
  for (const [what, { notes, now, found }] of Object.entries(BROKEN))
    it(`finds ${what}`, async () => {
      await ledger.note(notes);
      expect(verify(now)).to.match(found);
    });

  it('pairs heads that follow each other, each pair once, of many the newest', async () => {
    const pairs = (): string[] =>
      ledger.pairs('certificates', 2).map((pair) => pair.map(({ size }) => size).join('-'));
    await ledger.note([head('1 a'), head('2 a b'), head('3 a b c'), head('4 a b c d')]);
    expect(pairs()).to.deep.equal(['2-3', '3-4']);
    expect(pairs()).to.deep.equal([]);
    await ledger.note([head('5 a b c d e')]);
    expect(pairs()).to.deep.equal(['4-5']);
  });

  it('finds what was served and is another now', () => {
    expect(verify(log(['a', 'b'], 10, { 'tile/0/000': 'one' }))).to.equal('');
    expect(verify(log(['a', 'x', 'c'], 20, { 'tile/0/000': 'two' }))).to.match(
      /entry 1 is another one than before; .*tile\/0\/000 has other bytes than before/,
    );
    expect(verify(log(['a'], 30))).to.match(/the log has 1 entries and had 3/);
  });

  it('holds a log to what was known by a moment, and to no more', async () => {
    await ledger.note([answer('0 a 10', 200, { at: 100 }), answer('1 b 11', 200, { at: 200 })]);
    expect(verify(log(['a'], 20), 150)).to.equal('');
    expect(verify(log(['a'], 20), 200)).to.match(/entry 1 was acknowledged/);
  });

  it('knows everything again after its own end', async () => {
    await ledger.note([answer('0 a 10'), head('11 a')]);
    ledger.close();
    ledger = await open();
    expect(ledger.counts).to.include({ acknowledged: 1, heads: 1 });
    expect(verify(log(['b'], 20))).to.match(/another entry is at 0/);
  });
});
