import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { AuditDefinition } from '../../audit/audit-definition.ts';
import { openAudit, type Audit } from '../../audit/audit.ts';
import { toHex } from '../../core/bytes.ts';
import type { ArtifactLog, LoggedEntry } from '../../rekor/artifact-log.ts';
import { storedEntryDecision } from '../../server/rekor/entry-records.ts';
import type { AuditedEntries } from '../../server/rekor/audited-entries.ts';
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

  async function start(): Promise<void> {
    audit = await openAudit(definition, { clock: Date.now, note: () => undefined });
    const opened = await openEntryLines([{ name: 'v1', log }], { audit, definition, directory, serviceLog });
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
