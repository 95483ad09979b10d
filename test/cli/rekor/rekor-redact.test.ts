import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { redactedLine } from '../../../audit/audit-line.ts';
import type { RedactedEntry } from '../../../audit/entry-decision.ts';
import { AuditError } from '../../../audit/audit-error.ts';
import { check } from '../../../cli/rekor/rekor-check.ts';
import { init } from '../../../cli/rekor/rekor-init.ts';
import { redact } from '../../../cli/rekor/rekor-redact.ts';
import { search } from '../../../cli/rekor/rekor-search.ts';
import { show } from '../../../cli/rekor/rekor-show.ts';
import { CommandError, type Speaker } from '../../../cli/program/command.ts';
import { toHex } from '../../../core/bytes.ts';
import { artifactLogPaths } from '../../../instance/artifact-logs.ts';
import { dataPaths, type DataPaths } from '../../../instance/data-paths.ts';
import { stageArtifactLog } from '../../../instance/stage-artifact-log.ts';
import { switchArtifactLog } from '../../../instance/switch-artifact-log.ts';
import { readArtifactLogIdentity } from '../../../rekor/log-identity.ts';
import { openKey } from '../../../instance/open-key.ts';
import type { ArtifactLog } from '../../../rekor/artifact-log.ts';
import { ArtifactEntryReads } from '../../../rekor/entry-reads.ts';
import { openArtifactLog } from '../../../rekor/open-artifact-log.ts';
import { MAX_REASON, readRedactions, changeRedactions } from '../../../rekor/redactions.ts';
import { recordRedactions } from '../../../service/redaction-records.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { auditLine } from '../../audit/support/audit-schema.ts';
import { V1, V2 } from '../../rekor/format/support/rekor-vectors.ts';
import { makeDataDirectory } from '../../support/data-directory.ts';
import { failureAs } from '../../support/failure.ts';
import { listener } from '../../trust/support/renewable-instance.ts';

describe('mayfly rekor redact', function () {
  this.timeout(60_000);
  let root: string;
  let data: string;
  let paths: DataPaths;
  let said: string;
  let facts: Record<string, unknown>;
  const speak: Speaker = {
    ...listener(),
    answer: (result, text) => {
      facts = { ...result };
      said = text;
    },
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-redact-'));
    data = join(root, 'data');
    paths = dataPaths(data);
    await makeDataDirectory(data, {
      config: 'oidc-issuers: {}\nmayfly: {public-url: "https://ca.example.org"}\n',
    });
    await init({ data }, speak);
    for (const api of [1, 2] as const) {
      const log = await opened(api);
      for (const { canonicalizedBody } of (api === 1 ? V1 : V2).entries.slice(0, 4))
        await log.add({ body: Buffer.from(canonicalizedBody), namedDigests: [] });
      await log.close();
    }
  });
  afterEach(() => rm(root, { recursive: true }));

  const opened = async (api: 1 | 2): Promise<ArtifactLog> => {
    const { directory, key } = artifactLogPaths(paths, api);
    return openArtifactLog({ directory, signer: await openKey(key), clock: Date.now });
  };
  const options = (api: 1 | 2, ...index: string[]) => ({ data, [`v${api}`]: true, index, reason: 'case 17' });
  const everyFile = async (): Promise<string> => {
    const files = await readdir(paths.artifacts, { recursive: true, withFileTypes: true });
    const contents = files
      .filter((file) => file.isFile())
      .map(({ parentPath, name }) => readFile(join(parentPath, name), 'latin1'));
    return (await Promise.all(contents)).join('\n');
  };

  for (const api of [1, 2] as const)
    it(`shows what would go and changes nothing, then does it with the code that it printed (v${api})`, async () => {
      const vector = (api === 1 ? V1 : V2).entries[1];
      const signature = /"content":"([^"]+)"/.exec(vector?.canonicalizedBody ?? '')?.[1] ?? '';
      const before = await everyFile();
      expect(before).to.include(signature);
      await redact(options(api, '2'), speak);
      expect(facts).to.deep.include({ redacted: false, api: `v${api}` });
      const [shown] = facts['entries'] as Record<string, unknown>[];
      expect(shown).to.deep.include({ logIndex: 2, leafHash: vector?.leafHash });
      const confirm = facts['confirm'] as string;
      expect(said).to.include('Nothing was changed').and.include(`--confirm ${confirm}`);
      expect(await everyFile()).to.include(signature);

      const wrong = await failureAs(CommandError, redact({ ...options(api, '3'), confirm }, speak));
      expect([wrong.code, wrong.message]).to.deep.equal([
        'USAGE',
        '--confirm is not the code of these entries',
      ]);
      await redact({ ...options(api, '2'), confirm }, speak);
      expect(said).to.include('gone').and.include(vector?.leafHash);
      expect(await everyFile()).to.not.include(signature);
      expect(await check({ data }, speak)).to.equal(true);
      expect(said).to.include('; 1 redacted, proven by their hashes');
      await show({ data }, speak);
      expect(said).to.include('5 entries, 1 of them redacted');

      // Again is the same, and says since when.
      await redact(options(api, '2', '1'), speak);
      expect(said).to.include('redacted at ').and.include('case 17');
      const both = facts['confirm'] as string;
      await redact({ ...options(api, '1', '2'), reason: 'another', confirm: both }, speak);
      const { entries } = await readRedactions(artifactLogPaths(paths, api).directory);
      expect([...entries.values()].map(({ index, reason }) => [index, reason])).to.deep.equal([
        [1, 'another'],
        [2, 'case 17'],
      ]);
    });

  it('finds them no more in the directory', async () => {
    const found: unknown[] = [];
    const record: Speaker['record'] = (result) => Promise.resolve(found.push(result) > 0);
    const { value } =
      /"algorithm":"sha256","value":"(?<value>[0-9a-f]{64})"/.exec(V1.entries[1]?.canonicalizedBody ?? '')
        ?.groups ?? {};
    const digest = `sha256:${value ?? ''}`;
    await search({ data, v1: true, digest }, { ...speak, record });
    expect(found).to.have.length(1);
    await redact(options(1, '2'), speak);
    await redact({ ...options(1, '2'), confirm: facts['confirm'] as string }, speak);
    await search({ data, v1: true, digest }, { ...speak, record });
    expect(found).to.have.length(1);
  });

  it('finishes what was interrupted before anything else', async () => {
    const { directory } = artifactLogPaths(paths, 2);
    const log = await opened(2);
    const entry = await log.entryAt(3);
    await log.close();
    const redaction = {
      index: 3,
      leafHash: entry?.leafHash ?? new Uint8Array(),
      redactedAt: 1,
      reason: 'x',
      isAudited: false,
    };
    await changeRedactions(directory, () => ({ isFinished: false, entries: new Map([[3, redaction]]) }));
    expect((await failureAs(LogError, check({ data }, speak))).code).to.equal('LOG_UNAVAILABLE');
    await redact(options(2, '3'), speak);
    expect(said).to.include('redacted at 1970');
    expect((await readRedactions(directory)).isFinished).to.equal(true);
    expect(await check({ data }, speak)).to.equal(true);
  });

  it('refuses what is not said well, what is not there, and a log that a service has', async () => {
    const code = async (more: object): Promise<string> =>
      (await failureAs(CommandError, redact({ ...options(2, '2'), ...more }, speak))).code;
    expect(await code({ v1: true })).to.equal('USAGE');
    expect(await code({ reason: ' ' })).to.equal('USAGE');
    expect(await code({ reason: 'x'.repeat(MAX_REASON + 1) })).to.equal('USAGE');
    expect(await code({ index: ['-1'] })).to.equal('USAGE');
    expect(await code({ index: Array.from({ length: 101 }, (_, i) => String(i)) })).to.equal('USAGE');
    expect(await code({ index: ['5'] })).to.equal('REFUSED');
    const log = await opened(2);
    try {
      await redact(options(2, '2'), speak);
      const confirm = facts['confirm'] as string;
      const failure = await failureAs(LogError, redact({ ...options(2, '2'), confirm }, speak));
      expect([failure.code, failure.hint]).to.deep.equal([
        'LOG_LOCKED',
        'Stop the service first, then give the command again.',
      ]);
    } finally {
      await log.close();
    }
  });

  it('is written into the audit by the next service, once it can be', async () => {
    await redact(options(1, '2'), speak);
    await redact({ ...options(1, '2'), confirm: facts['confirm'] as string }, speak);
    const notes: unknown[][] = [];
    const serviceLog = { note: (...note: unknown[]) => notes.push(note) };
    const recorded: RedactedEntry[] = [];
    const start = async (audit: (entry: RedactedEntry) => Promise<void>): Promise<void> => {
      const log = await opened(1);
      await recordRedactions([{ name: 'v1', log }], {
        audit: { redacted: audit },
        serviceLog: serviceLog as never,
      });
      await log.close();
    };
    await start(() => Promise.reject(new AuditError('AUDIT_UNAVAILABLE', 'the disk is full')));
    expect(notes.map(([level]) => level)).to.deep.equal(['info', 'warn']);
    for (let i = 0; i < 2; i++)
      await start((entry) => {
        recorded.push(entry);
        return Promise.resolve();
      });
    const leafHash = V1.entries[1]?.leafHash;
    expect(recorded).to.have.length(1);
    const [entry] = recorded;
    expect(entry).to.include({ log: 'artifacts/v1', logIndex: 2, leafHash, because: 'case 17' });
    if (entry === undefined) return;
    expect(auditLine(redactedLine({ ...entry, because: 'naïve\n' }, Date.now()))).to.include({
      event: 'redacted',
      leafHash,
      because: 'naïve\n',
    });
    const { entries } = await readRedactions(artifactLogPaths(paths, 1).directory);
    expect([...entries.values()].map((one) => [toHex(one.leafHash), one.isAudited])).to.deep.equal([
      [leafHash, true],
    ]);
  });

  it('finds the log that has an index, and takes the name of one whose indexes begin anew', async () => {
    for (const api of [1, 2] as const) {
      const request = { paths, api, passphrase: undefined, clock: Date.now };
      await stageArtifactLog({ ...request, host: undefined });
      await switchArtifactLog(request);
    }
    const reason = 'a test';
    await redact({ data, v1: true, index: ['2'], reason }, speak);
    expect(said).to.include((await readArtifactLogIdentity(artifactLogPaths(paths, 1).directory)).origin);
    await redact({ data, v1: true, index: ['5'], reason }, speak);
    expect(said).to.include((await readArtifactLogIdentity(artifactLogPaths(paths, 1, 2).directory)).origin);
    await failureAs(CommandError, redact({ data, v2: true, index: ['2'], reason }, speak));
    await redact({ data, v2: true, log: 'v2', index: ['2'], reason }, speak);
    expect(facts['confirm']).to.be.a('string');
    const unknown = failureAs(
      CommandError,
      redact({ data, v2: true, log: 'v2-3', index: ['2'], reason }, speak),
    );
    expect((await unknown).hint).to.equal('There is v2, v2-2.');
  });

  it('redacts every entry of the log that has the same body, and names those of other logs', async () => {
    const body = Buffer.from(V2.entries[1]?.canonicalizedBody ?? '');
    const added = { body, namedDigests: [] };
    // As a replica does whose index does not know yet what another one has just logged.
    const log = await opened(2);
    const reads = ArtifactEntryReads.prototype;
    const find = Object.getOwnPropertyDescriptor(reads, 'find') ?? expect.fail('there is no such method');
    reads.find = () => Promise.resolve(undefined);
    try {
      expect((await log.add(added)).entry.logIndex).to.equal(5);
    } finally {
      Object.defineProperty(reads, 'find', find);
      await log.close();
    }
    const request = { paths, api: 2, passphrase: undefined, clock: Date.now } as const;
    await stageArtifactLog({ ...request, host: undefined });
    await switchArtifactLog(request);
    const { directory, key } = artifactLogPaths(paths, 2, 2);
    const next = await openArtifactLog({ directory, signer: await openKey(key), clock: Date.now });
    const { logIndex } = (await next.add(added)).entry;
    await next.close();

    const redaction = { data, v2: true, log: 'v2', reason: 'a test', index: ['2'] };
    const elsewhere = [{ log: 'v2-2', logIndex }];
    await redact(redaction, speak);
    expect(facts).to.deep.include({ elsewhere });
    const shown = facts['entries'] as { readonly logIndex: number }[];
    expect(shown.map((entry) => entry.logIndex)).to.deep.equal([2, 5]);
    await redact({ ...redaction, confirm: facts['confirm'] as string }, speak);
    expect(said).to.include(`--log v2-2 --index ${logIndex}`);
    const { entries } = await readRedactions(artifactLogPaths(paths, 2).directory);
    expect([...entries.keys()]).to.deep.equal([2, 5]);
    const other = { ...redaction, log: 'v2-2', index: [String(logIndex)] };
    await redact(other, speak);
    expect(facts).to.deep.include({ elsewhere: [] });
    await redact({ ...other, confirm: facts['confirm'] as string }, speak);
    expect(await everyFile()).to.not.include(body.toString('latin1'));
  });
});
