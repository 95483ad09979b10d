import { expect } from 'chai';
import {
  appendFile,
  copyFile,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { AuditSinkError } from '../../audit/audit-error.ts';
import { openAudit } from '../../audit/audit.ts';
import { issuedDecision, refusedDecision } from './support/decisions.ts';
import { openFileAudit, type FileAudit, type FileAuditOptions } from './support/file-audit.ts';
import { failureOf } from '../support/failure.ts';

const range = (count: number): string[] => Array.from({ length: count }, (_, i) => `r${i}`);

describe('audit: a file', () => {
  const opened: FileAudit[] = [];
  const open = async (options: FileAuditOptions = {}): Promise<FileAudit> => {
    const audit = await openFileAudit(options);
    opened.push(audit);
    return audit;
  };
  const FAIL_CLOSED = { definition: { failClosed: true } } as const;
  afterEach(async () => {
    for (const one of opened.splice(0)) {
      await one.audit.close();
      await one.remove();
    }
  });
  const issue = async ({ audit }: FileAudit, ids: readonly string[]): Promise<void> => {
    await Promise.all(ids.map(async (id) => audit.issued(issuedDecision(id))));
  };

  it('has every line in the order of the decisions, and can be read by its owner only', async () => {
    const file = await open();
    await issue(file, range(500));
    await file.audit.close();
    expect(await file.ids()).to.deep.equal(range(500));
    expect((await stat(file.path)).mode & 0o777).to.equal(0o600);
    expect(file.notes.all).to.deep.equal([]);
  });

  it('makes the directory, for its owner only', async () => {
    const file = await open({ name: 'new/deep/audit.jsonl' });
    await issue(file, ['r0']);
    await file.audit.close();
    expect(await file.ids()).to.deep.equal(['r0']);
    expect((await stat(join(file.directory, 'new'))).mode & 0o777).to.equal(0o700);
  });

  it('fail-closed, has the line when the wait is over, many of them by few flushes', async () => {
    const file = await open(FAIL_CLOSED);
    for (const id of ['r0', 'r1']) {
      await file.audit.issued(issuedDecision(id));
      expect(await file.ids()).to.include(id);
    }
    await issue(file, range(2000));
    expect(await file.ids()).to.have.length(2002);
  });

  it('goes on behind what an earlier start wrote, and ends a line that a crash tore', async () => {
    const first = await open();
    await issue(first, ['r0']);
    await first.audit.close();
    await appendFile(first.path, '{"version":1,"ti');
    const again = await openAudit(
      {
        stdout: false,
        file: { path: first.path, maxBytes: 1e6, keep: 1 },
        failClosed: false,
        refusalsPerMinute: 1,
      },
      { clock: Date.now, note: first.notes.note },
    );
    void again.issued(issuedDecision('r1'));
    await again.close();
    const lines = (await readFile(first.path, 'latin1')).split('\n');
    expect(lines[1]).to.equal('{"version":1,"ti');
    expect(JSON.parse(lines[2] ?? '')).to.include({ requestId: 'r1' });
  });

  it('is rotated when it is large enough, between two lines, and loses none and repeats none', async () => {
    const file = await open({ file: { maxBytes: 10_000 }, ...FAIL_CLOSED });
    const ids = range(1000);
    for (let i = 0; i < ids.length; i += 10) await issue(file, ids.slice(i, i + 10));
    await file.audit.close();
    const names = await file.names();
    expect(names.length).to.be.greaterThan(20);
    const found: unknown[] = [];
    for (const name of names) {
      found.push(...(await file.ids(name)));
      expect((await stat(join(file.directory, name))).mode & 0o777).to.equal(0o600);
    }
    expect(found).to.have.length(1000);
    expect(new Set(found)).to.deep.equal(new Set(ids));
  });

  it('keeps as many files as are configured, the newest', async () => {
    const file = await open({ file: { maxBytes: 1, keep: 2 }, ...FAIL_CLOSED });
    await writeFile(join(file.directory, 'audit.jsonl.old'), 'not ours');
    for (const id of range(6)) await file.audit.issued(issuedDecision(id));
    const names = await file.names();
    expect(names).to.have.length(4).and.to.include('audit.jsonl.old');
    const [current, ...aside] = names.filter((name) => !name.endsWith('.old'));
    expect(await file.ids(current)).to.deep.equal(['r5']);
    expect([...(await file.ids(aside[0])), ...(await file.ids(aside[1]))]).to.have.members(['r3', 'r4']);
    expect(file.notes.events.filter((event) => event.includes('removed'))).to.have.length(3);
  });

  it('is rotated when it is old enough', async () => {
    const file = await open({ file: { maxAgeMs: 86_400_000 }, ...FAIL_CLOSED });
    await file.audit.issued(issuedDecision('r0'));
    file.time.skew = 86_000_000;
    await file.audit.issued(issuedDecision('r1'));
    expect(await file.names()).to.have.length(1);
    file.time.skew = 90_000_000;
    await file.audit.issued(issuedDecision('r2'));
    expect(await file.names()).to.have.length(2);
    expect(await file.ids()).to.deep.equal(['r2']);
  });

  it('never replaces a rotated file, though the clock stands still', async () => {
    const clock = (): number => Date.UTC(2026, 0, 1);
    const file = await open({ file: { maxBytes: 1 }, ...FAIL_CLOSED, parts: { clock } });
    for (const id of range(12)) await file.audit.issued(issuedDecision(id));
    const names = await file.names();
    expect(names).to.have.length(12);
    for (const name of names) expect(await file.ids(name), name).to.have.length(1);
  });

  it('goes on in the old file, aloud, when it cannot be rotated', async () => {
    // With the time behind it the name would be longer than file systems allow.
    const file = await open({ name: 'a'.repeat(250), file: { maxBytes: 500 }, ...FAIL_CLOSED });
    for (const id of range(8)) await file.audit.issued(issuedDecision(id));
    expect(await file.ids()).to.deep.equal(range(8));
    expect(file.notes.events).to.deep.equal(['error: audit file cannot be rotated; it goes on growing']);
  });

  it('writes the line again into a new file, aloud, when somebody deletes the old one', async () => {
    const file = await open(FAIL_CLOSED);
    await file.audit.issued(issuedDecision('r0'));
    await unlink(file.path);
    await file.audit.issued(issuedDecision('r1'));
    expect(await file.ids()).to.deep.equal(['r1']);
    expect(file.notes.events).to.deep.equal(['error: audit file was deleted; a new one is begun']);
  });

  it('begins a new file when a program such as logrotate moves the old one away', async () => {
    const file = await open(FAIL_CLOSED);
    await file.audit.issued(issuedDecision('r0'));
    await rename(file.path, join(file.directory, 'moved'));
    await file.audit.issued(issuedDecision('r1'));
    await file.audit.issued(issuedDecision('r2'));
    expect(await file.ids('moved')).to.deep.equal(['r0', 'r1']);
    expect(await file.ids()).to.deep.equal(['r2']);
    expect(file.notes.events).to.deep.equal(['warn: audit file was moved; a new one is begun']);
  });

  for (const [kind, options] of [
    ['fail-closed', FAIL_CLOSED],
    ['in the background', {}],
  ] as const) {
    it(`${kind}, loses no line to a program that copies the file and truncates it, again and again`, async () => {
      const file = await open(options);
      const copies: string[] = [];
      const copyAndTruncate = async (): Promise<void> => {
        const copy = join(file.directory, `copy-${copies.length}`);
        copies.push(copy);
        await copyFile(file.path, copy);
        // Whatever is written between the two is in nobody's copy.
        for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
        await truncate(file.path);
      };
      const ids = range(1000);
      const issueSome = async (from: number): Promise<void> => {
        for (const id of ids.slice(from, from + 20)) {
          await issue(file, [id]);
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      for (let from = 0; from < ids.length; from += 20)
        await Promise.all([issueSome(from), copyAndTruncate()]);
      await file.audit.close();
      // A copy may end within a line.
      const text = (await Promise.all([file.path, ...copies].map((path) => readFile(path, 'latin1')))).join(
        '',
      );
      const found = new Set([...text.matchAll(/"requestId":"(r\d+)".*\}\n/g)].map(([, id]) => id));
      expect(ids.filter((id) => !found.has(id))).to.deep.equal([]);
      const { incidents } = file.audit.status().destinations[0] ?? {};
      expect(incidents?.truncated).to.be.above(0);
      expect(file.notes.events).to.include(
        'error: audit file was truncated; lines that were written meanwhile may be lost',
      );
    });
  }

  it('counts and dates what other programs did to it', async () => {
    const file = await open(FAIL_CLOSED);
    const incidents = () => file.audit.status().destinations[0]?.incidents;
    await file.audit.issued(issuedDecision('r0'));
    expect(incidents()).to.deep.equal({ truncated: 0, deleted: 0, notRotated: 0, lastLoss: undefined });
    file.time.skew = 1e9;
    await truncate(file.path, 10);
    await file.audit.issued(issuedDecision('r1'));
    expect(incidents()).to.deep.include({ truncated: 1, deleted: 0 });
    expect(incidents()?.lastLoss).to.be.within(Date.now() + 1e9 - 60_000, Date.now() + 1e9);
    await unlink(file.path);
    await file.audit.issued(issuedDecision('r2'));
    expect(incidents()).to.deep.include({ truncated: 1, deleted: 1 });
    await rename(file.path, join(file.directory, 'moved'));
    await file.audit.issued(issuedDecision('r3'));
    expect(incidents()).to.deep.include({ truncated: 1, deleted: 1 });
  });

  it('notices a truncation before it puts the file aside, and before it ends', async () => {
    const file = await open({ file: { maxBytes: 1_500 }, ...FAIL_CLOSED });
    await issue(file, ['r0', 'r1', 'r2']);
    await truncate(file.path);
    await issue(file, ['r3', 'r4', 'r5']);
    expect(await file.names(), 'not rotated: it is small now').to.have.length(1);
    expect(await file.ids()).to.deep.equal(range(6));
    await truncate(file.path);
    await file.audit.close();
    expect(await file.ids()).to.deep.equal(range(6));
    expect(file.audit.status().destinations[0]?.incidents?.truncated).to.equal(2);
  });

  it('refuses the certificate while its directory is gone and cannot be made, and goes on afterwards', async () => {
    const file = await open({ ...FAIL_CLOSED, name: 'sub/audit.jsonl', parts: { limits: { retryMs: 1 } } });
    await file.audit.issued(issuedDecision('r0'));
    await rm(join(file.directory, 'sub'), { recursive: true });
    await writeFile(join(file.directory, 'sub'), 'in the way');
    const refusal = await failureOf(file.audit.issued(issuedDecision('r1')));
    expect(refusal).to.include({ code: 'AUDIT_UNAVAILABLE' });
    expect(file.audit.status().destinations).to.have.length(1);
    expect(file.audit.status().destinations[0]).to.include({ name: 'file', isFailing: true, lost: 0 });
    file.audit.refused(refusedDecision(undefined, 'r1'), 'AUDIT_UNAVAILABLE');
    await rm(join(file.directory, 'sub'));
    await file.notes.until('audit is written again');
    await file.audit.issued(issuedDecision('r2'));
    expect(await file.ids()).to.deep.equal(['r1', 'r2']);
    expect(file.notes.events).to.include.members([
      'error: audit is not written',
      'warn: audit is written again',
    ]);
  });

  it('without fail-closed, keeps lines in memory meanwhile and loses none', async () => {
    const file = await open({ name: 'sub/audit.jsonl', parts: { limits: { retryMs: 1 } } });
    await rm(join(file.directory, 'sub'), { recursive: true });
    await writeFile(join(file.directory, 'sub'), 'in the way');
    for (const id of range(50)) expect(file.audit.issued(issuedDecision(id))).to.equal(undefined);
    await file.notes.until('audit is not written');
    await rm(join(file.directory, 'sub'));
    await file.notes.until('audit is written again');
    await file.audit.close();
    expect(await file.ids()).to.deep.equal(range(50));
    expect(file.audit.status().destinations[0]?.lost).to.equal(0);
  });

  describe('does not start with', () => {
    const refusalOf = async (make: (directory: string) => Promise<string>): Promise<unknown> => {
      const { directory, notes } = await open();
      const path = await make(directory);
      return failureOf(
        openAudit(
          { stdout: false, file: { path, maxBytes: 1e6, keep: 1 }, failClosed: false, refusalsPerMinute: 1 },
          { clock: Date.now, note: notes.note },
        ),
      );
    };
    const cases: readonly (readonly [string, (directory: string) => Promise<string>, string])[] = [
      [
        'a directory',
        async (directory) => {
          await mkdir(join(directory, 'd'));
          return join(directory, 'd');
        },
        'It is a directory: name the file inside it.',
      ],
      [
        'a symbolic link',
        async (directory) => {
          await symlink('audit.jsonl', join(directory, 'link'));
          return join(directory, 'link');
        },
        'It is a symbolic link: name the file itself.',
      ],
      ['a device', () => Promise.resolve('/dev/null'), '/dev/null is not a regular file'],
      [
        'a place where nobody can make a directory',
        () => Promise.resolve('/proc/mayfly/audit.jsonl'),
        'Its directory is not there and cannot be made.',
      ],
      ['a path through a file', () => Promise.resolve('/dev/null/audit'), 'A part of the path is a file.'],
    ];
    for (const [name, make, hint] of cases)
      it(name, async () => {
        const refusal = await refusalOf(make);
        expect(refusal).to.be.instanceOf(AuditSinkError);
        expect(refusal).to.include({ code: 'AUDIT_FILE_UNUSABLE', hint });
      });
  });
});
