import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { AuditDefinition } from '../../audit/audit-definition.ts';
import { openAudit, type Audit } from '../../audit/audit.ts';
import { toHex } from '../../core/bytes.ts';
import type { ArtifactLog, LoggedEntry } from '../../rekor/artifact-log.ts';
import { storedEntryDecision } from '../../server/rekor/entry-records.ts';
import { AuditedEntries } from '../../server/rekor/audited-entries.ts';
import { openEntryLines } from '../../service/entry-lines.ts';
import { auditLine } from '../audit/support/audit-schema.ts';
import { V1 } from '../rekor/format/support/rekor-vectors.ts';
import { rekorLog, type RekorLog } from '../rekor/support/rekor-log.ts';

describe('service: lines of the audit for entries of a service that was killed', () => {
  let directory: string;
  let made: RekorLog;
  let log: ArtifactLog;
  let audit: Audit | undefined;
  let lines: AuditedEntries | undefined;
  let definition: AuditDefinition;
  const notes: string[] = [];
  const serviceLog = { note: (_: string, event: string) => notes.push(event) } as never;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-entry-lines-'));
    await mkdir(join(directory, 'v1'));
    made = await rekorLog(1);
    log = await made.open();
    const file = { path: join(directory, 'audit.jsonl'), maxBytes: 1e9, keep: 1 };
    definition = { stdout: false, file, failClosed: true, refusalsPerMinute: 60 };
    notes.length = 0;
  });
  afterEach(async () => {
    await kill();
    await made.remove();
    await rm(directory, { recursive: true, force: true });
  });

  /** As a crash leaves it: nothing more is written down. */
  async function kill(): Promise<void> {
    await audit?.close();
    audit = undefined;
    lines = undefined;
  }

  async function start(isShared = false): Promise<void> {
    audit = await openAudit(definition, { clock: Date.now, note: () => undefined });
    const named = {
      name: 'v1',
      log: { isShared, tree: log.tree, entriesAt: (indexes: readonly number[]) => log.entriesAt(indexes) },
    };
    const opened = await openEntryLines([named], { audit, definition, directory, serviceLog });
    lines = opened.get('v1');
  }

  const add = async (at: number): Promise<LoggedEntry> => {
    const body = Buffer.from(V1.entries[at]?.canonicalizedBody ?? '');
    return (await log.add({ body, namedDigests: [] })).entry;
  };
  const record = async (entry: LoggedEntry): Promise<void> => {
    const decision = storedEntryDecision('artifacts/v1', entry);
    if (decision !== undefined) await audit?.logged(decision);
  };
  const recordedHashes = async (): Promise<unknown[]> => {
    const text = await readFile(join(directory, 'audit.jsonl'), 'utf8');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => auditLine(line)['leafHash']);
  };

  it('are written once, for those that have none', async () => {
    await start();
    const entries = [await add(0), await add(1), await add(2)];
    const hashes = entries.map(({ leafHash }) => toHex(leafHash));
    const [first, , third] = entries;
    if (first === undefined || third === undefined) throw new Error('there are three');
    // The first has its line, and that is noted; the third has one, and a crash comes before it is noted.
    await record(first);
    lines?.recorded(first.index);
    await lines?.close();
    await record(third);
    await kill();
    await start();
    expect(await recordedHashes()).to.deep.equal([hashes[0], hashes[2], hashes[1]]);
    expect(notes).to.deep.equal(['audit lines recovered']);
    await kill();
    for (let again = 0; again < 2; again++) {
      await start();
      await lines?.close();
      await kill();
    }
    expect(await recordedHashes()).to.have.length(3);
  });

  it('are written for one in the middle whose line failed, and for no other', async () => {
    await start();
    const [one, two, three] = [await add(0), await add(1), await add(2)];
    for (const entry of [one, three]) {
      await record(entry);
      lines?.recorded(entry.index);
    }
    await lines?.close();
    await kill();
    await start();
    expect(await recordedHashes()).to.deep.equal([one, three, two].map(({ leafHash }) => toHex(leafHash)));
  });

  it('are none for what other services logged, in a log that is shared', async () => {
    const noted = async (): Promise<unknown> => {
      await lines?.close();
      const { end, missing } = JSON.parse(
        await readFile(join(directory, 'v1', 'audited.json'), 'utf8'),
      ) as Record<string, unknown>;
      return { end, missing };
    };
    await start(true);
    const under = [lines?.begin(), lines?.begin(), lines?.begin()];
    const [, written, unwritten] = [await add(0), await add(1), await add(2)];
    under[0]?.end();
    under[1]?.logged(written.index);
    await record(written);
    lines?.recorded(written.index);
    under[1]?.end();
    // Its line may still come: nothing is passed over from where the log was when it set out.
    const size = log.tree.head().head.size;
    expect(await noted()).to.deep.equal({ end: size - 3, missing: [] });
    under[2]?.logged(unwritten.index);
    under[2]?.end();
    expect(await noted()).to.deep.equal({ end: size, missing: [unwritten.index] });
    await kill();
    await start(true);
    const hashes = [written, unwritten].map(({ leafHash }) => toHex(leafHash));
    expect(await recordedHashes()).to.deep.equal(hashes);
    expect(await noted()).to.deep.equal({ end: size, missing: [] });
    // After a clean end nothing is in doubt, and no more than some seconds after a crash.
    await add(3);
    await lines?.close();
    await kill();
    await start(true);
    expect(await recordedHashes()).to.deep.equal(hashes);
    expect(lines?.doubtful(1e9)).to.deep.equal([]);
    const behind = { version: 1, end: 1, missing: [], at: Date.now() };
    await lines?.close();
    await kill();
    await writeFile(join(directory, 'v1', 'audited.json'), JSON.stringify(behind));
    const many = { isShared: true, size: () => 1_000_000 };
    const opened = await AuditedEntries.open(join(directory, 'v1', 'audited.json'), many, () => undefined);
    expect(opened.doubtful(1e9)).to.have.lengthOf(4_096);
    await opened.close();
  });

  it('are none for what was there before an audit was', async () => {
    await add(0);
    await start();
    await lines?.close();
    await kill();
    await start();
    await lines?.close();
    expect((await stat(join(directory, 'audit.jsonl'))).size).to.equal(0);
    await kill();
    await openEntryLines([{ name: 'v1', log }], { audit: undefined, definition, directory, serviceLog });
    await add(1);
    await start();
    await lines?.close();
    expect((await stat(join(directory, 'audit.jsonl'))).size).to.equal(0);
  });

  for (const [what, restored, lacks] of [
    [
      'are written again where the note and the file are those of a backup',
      ['audited.json', 'audit.jsonl'],
      0,
    ],
    ['are not written twice where the note alone is that of a backup', ['audited.json'], 0],
    ['stay away where the file alone is that of a backup', ['audit.jsonl'], 1],
  ] as const)
    it(what, async () => {
      const places: Readonly<Record<(typeof restored)[number], string>> = {
        'audited.json': join(directory, 'v1', 'audited.json'),
        'audit.jsonl': join(directory, 'audit.jsonl'),
      };
      const backups = new Map<string, Buffer>();
      const hashes: string[] = [];
      for (const at of [0, 1]) {
        await start();
        const entry = await add(at);
        await record(entry);
        lines?.recorded(entry.index);
        hashes.push(toHex(entry.leafHash));
        await lines?.close();
        await kill();
        if (at === 0) for (const name of restored) backups.set(places[name], await readFile(places[name]));
      }
      for (const [place, bytes] of backups) await writeFile(place, bytes);
      await start();
      await lines?.close();
      expect(await recordedHashes()).to.deep.equal(hashes.slice(0, 2 - lacks));
    });

  it('begin anew, with a warning, where the note of them is damaged', async () => {
    await start();
    await add(0);
    await lines?.close();
    await kill();
    await writeFile(join(directory, 'v1', 'audited.json'), '{"version":1,"end":-1}');
    await start();
    expect(notes).to.deep.equal(['warning']);
    expect(await recordedHashes()).to.deep.equal([]);
  });
});
