import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import type { DataPaths } from '../../instance/data-paths.ts';
import { TrustError } from '../../trust/collect.ts';
import { encodeTrustedRoot, parseTrustedRoot, type TrustedRoot } from '../../trust/format/trusted-root.ts';
import { readTrust, recordTrust } from '../../trust/ledger.ts';
import { withPublicUrl } from '../../trust/public-urls.ts';
import { logKeyDetails, trustedAuthority } from '../../trust/trusted-entries.ts';
import { testAuthority, type TestAuthority } from '../ca/support/authority.ts';
import { caNode } from '../ca/support/ca-certificates.ts';
import { logSigners } from '../ct-log/support/log-keys.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { failureAs } from '../support/failure.ts';
import { BIRTH, trustPlaces, type TrustPlaces } from './support/trust-places.ts';
import { reopenedBy } from '../../trust/union.ts';

describe('trust/ledger', () => {
  let places: TrustPlaces;
  let paths: DataPaths;
  let ca: TestAuthority;
  beforeEach(async () => {
    places = await trustPlaces();
    ({ paths, ca } = places);
  });
  afterEach(() => {
    places.remove();
  });

  const exported = async (): Promise<string> =>
    encodeTrustedRoot(withPublicUrl((await readTrust(paths)).root, 'https://ca.example.org'));
  const logNames = ({ certificateLogs }: TrustedRoot): readonly string[] =>
    certificateLogs.map(({ baseUrl }) => baseUrl);

  it('derives everything where nothing is recorded', async () => {
    const root = parseTrustedRoot(await exported());
    expect(root.certificateAuthorities).to.have.length(1);
    const [authority] = root.certificateAuthorities;
    expect(authority).to.include({
      organization: 'Example Org',
      commonName: 'Example CA',
      uri: 'https://ca.example.org',
    });
    expect(authority?.chain).to.deep.equal([ca.intermediateDer, ca.rootDer]);
    const [log] = root.certificateLogs;
    expect(log).to.include({
      baseUrl: 'https://ca.example.org/log/2026/',
      keyDetails: 'PKIX_ECDSA_P256_SHA_256',
    });
    // The log's first certificate is not before it.
    expect(log?.window).to.deep.equal({ start: Math.floor(BIRTH / 1000) * 1000, end: undefined });
    expect(root.timestampAuthorities).to.deep.equal([]);
    expect(root.artifactLogs).to.deep.equal([]);
  });

  it('removes what was killed while it recorded', async () => {
    const left = join(dirname(paths.trustedRoot), '.trusted_root.json.0123456789ab.tmp');
    places.write(left, '{');
    await recordTrust(paths);
    expect(existsSync(left)).to.equal(false);
  });

  it('is the same however often it is read, and recorded changes nothing', async () => {
    writeFileSync(paths.nextChain, (await testAuthority()).chainPem);
    places.write(paths.timestampChain, (await testAuthority()).chainPem);
    await places.addLog('2027');
    writeFileSync(paths.currentLog, '2027\n');
    const before = await exported();
    expect(await exported()).to.equal(before);
    await recordTrust(paths);
    expect(await exported()).to.equal(before);
    await recordTrust(paths);
    expect(await exported()).to.equal(before);
    expect(readFileSync(paths.trustedRoot, 'utf8')).not.to.include('example.org');
  });

  it('puts what is in force first, and behind it what was recorded, in the order of recording', async () => {
    await places.addLog('2025');
    await places.addLog('2027');
    writeFileSync(paths.currentLog, '2026');
    await recordTrust(paths);
    writeFileSync(paths.currentLog, '2027');
    const { root, inForce, logs } = await readTrust(paths);
    expect(logNames(root)).to.deep.equal(['/log/2027/', '/log/2026/', '/log/2025/']);
    expect(logNames(inForce)).to.deep.equal(['/log/2027/']);
    expect(logs.map(({ name }) => name)).to.deep.equal(['2027', '2025', '2026']);
  });

  it('keeps what is no longer in the directory, and its window', async () => {
    const end = Date.UTC(2027, 0, 1);
    await recordTrust(paths, (root) => ({
      ...root,
      certificateAuthorities: root.certificateAuthorities.map((authority) => ({
        ...authority,
        window: { ...authority.window, end },
      })),
    }));
    const next = await testAuthority();
    writeFileSync(paths.chain, next.chainPem);
    const { root } = await readTrust(paths);
    expect(root.certificateAuthorities.map(({ chain: [first] }) => first)).to.deep.equal([
      next.intermediateDer,
      ca.intermediateDer,
    ]);
    expect(root.certificateAuthorities.map(({ window }) => window.end)).to.deep.equal([undefined, end]);
    // What is in force is read with what is recorded of it.
    writeFileSync(paths.chain, ca.chainPem);
    expect((await readTrust(paths)).inForce.certificateAuthorities[0]?.window.end).to.equal(end);
  });

  it('keeps the URLs of others, and writes its own with the one of today', async () => {
    const foreign = parseTrustedRoot(
      readFileSync('test/vectors/trust-shapes/rekor1-tsa/trusted_root.json', 'utf8'),
    );
    await recordTrust(paths, (root) => ({
      certificateAuthorities: [...root.certificateAuthorities, ...foreign.certificateAuthorities],
      certificateLogs: [...root.certificateLogs, ...foreign.certificateLogs],
      timestampAuthorities: [...root.timestampAuthorities, ...foreign.timestampAuthorities],
      artifactLogs: [...root.artifactLogs, ...foreign.artifactLogs],
    }));
    const { root } = await readTrust(paths);
    const moved = withPublicUrl(root, 'https://moved.example.org/ca');
    expect(logNames(moved)).to.deep.equal([
      'https://moved.example.org/ca/log/2026/',
      'http://127.0.0.1:7700/log/2026/',
    ]);
    expect(moved.certificateAuthorities.map(({ uri }) => uri)).to.deep.equal([
      'https://moved.example.org/ca',
      'http://127.0.0.1:7700',
    ]);
    expect(moved.artifactLogs).to.deep.equal(foreign.artifactLogs);
    expect(moved.timestampAuthorities).to.deep.equal(foreign.timestampAuthorities);
  });

  it('lets no change drop an entry, and leaves the file as it was', async () => {
    await recordTrust(paths);
    const before = readFileSync(paths.trustedRoot, 'utf8');
    await failureAs(
      TypeError,
      recordTrust(paths, (root) => ({ ...root, certificateLogs: [] })),
    );
    expect(readFileSync(paths.trustedRoot, 'utf8')).to.equal(before);
  });

  it('loses no change of several that are made at once', async () => {
    const ended = (end: number) => (root: TrustedRoot) => ({
      ...root,
      certificateLogs: root.certificateLogs.map((log) => ({ ...log, window: { ...log.window, end } })),
    });
    const end = Date.UTC(2027, 0, 1);
    for (let round = 0; round < 5; round++) {
      rmSync(paths.trustedRoot, { force: true });
      await Promise.all([recordTrust(paths), recordTrust(paths, ended(end)), recordTrust(paths)]);
      const { root } = await readTrust(paths);
      expect(root.certificateLogs.map(({ window }) => window.end)).to.deep.equal([end]);
    }
  });

  it('goes by what is recorded of a log that is not in use and cannot be read, and by nothing where nothing is', async () => {
    await places.addLog('2025');
    writeFileSync(paths.currentLog, '2026\n');
    const identity = join(paths.logs, '2025', 'log.json');
    const good = readFileSync(identity);
    writeFileSync(identity, '{');
    await failureAs(LogError, readTrust(paths));
    writeFileSync(identity, good);
    await recordTrust(paths);
    const before = await exported();
    writeFileSync(identity, '{');
    expect(await exported()).to.equal(before);
    const { logs, unreadable } = await readTrust(paths);
    expect(logs.map(({ name }) => name)).to.deep.equal(['2026']);
    expect(unreadable).to.have.length(1);
    expect(unreadable[0]).to.match(/2025.*What is recorded of that log counts/);
    await recordTrust(paths);
    // The one in use must be known.
    writeFileSync(paths.currentLog, '2025\n');
    await failureAs(LogError, readTrust(paths));
  });

  it('does not guess which log is in use', async () => {
    await places.addLog('2025');
    for (const current of [undefined, '2024\n']) {
      if (current !== undefined) writeFileSync(paths.currentLog, current);
      const { code, message } = await failureAs(TrustError, readTrust(paths));
      expect(code).to.equal('LOG_IN_USE_UNKNOWN');
      expect(message).to.match(
        current === undefined ? /several logs \(2025, 2026\)/ : /"2024" is in use, which is not there/,
      );
    }
    expect((await failureAs(TrustError, recordTrust(paths))).code).to.equal('LOG_IN_USE_UNKNOWN');
  });

  it('writes nothing that it could not read again', async () => {
    await recordTrust(paths);
    const before = readFileSync(paths.trustedRoot, 'utf8');
    const many = recordTrust(paths, (root) => ({
      ...root,
      certificateLogs: Array.from({ length: 1025 }, (_, index) => ({
        ...(root.certificateLogs[0] as TrustedRoot['certificateLogs'][number]),
        logId:
          index === 0
            ? (root.certificateLogs[0]?.logId ?? new Uint8Array())
            : sha256(Uint8Array.of(index >> 8, index)),
      })),
    }));
    expect((await failureAs(TrustError, many)).code).to.equal('LEDGER_UNWRITABLE');
    expect(readFileSync(paths.trustedRoot, 'utf8')).to.equal(before);
  });

  it('reads no ledger that is damaged, rather than trust without its ends', async () => {
    await recordTrust(paths);
    const text = readFileSync(paths.trustedRoot, 'utf8');
    for (const damaged of ['', text.slice(0, -9), text.replace('"ctlogs"', '"ctLog"'), '{}']) {
      writeFileSync(paths.trustedRoot, damaged);
      expect((await failureAs(TrustError, readTrust(paths))).code).to.equal('LEDGER_MALFORMED');
    }
    rmSync(paths.trustedRoot);
    mkdirSync(paths.trustedRoot);
    expect((await failureAs(TrustError, readTrust(paths))).code).to.equal('LEDGER_UNREADABLE');
    expect((await failureAs(TrustError, recordTrust(paths))).code).to.equal('LEDGER_UNREADABLE');
  });

  it('says where it cannot be written', async () => {
    writeFileSync(join(paths.root, 'trust'), 'a file');
    const { code } = await failureAs(TrustError, recordTrust(paths));
    expect(code).to.equal('LEDGER_UNWRITABLE');
  });

  it('names an authority without an organization so that clients take it', async () => {
    const { der } = await caNode({ name: 'Adopted' });
    expect(trustedAuthority([der], '/')).to.include({ organization: 'Adopted', commonName: 'Adopted' });
  });

  it('knows what Sigstore calls the keys of logs', () => {
    const { publicKey } = logSigners().treeHead;
    expect(logKeyDetails(publicKey)).to.equal('PKIX_ECDSA_P256_SHA_256');
    expect(logKeyDetails(logSigners().checkpoint.publicKey)).to.equal('PKIX_ED25519');
  });

  it('sees each end that another trust takes back or puts off, and none that stays or comes earlier', () => {
    const withEnd = (end: number | undefined): TrustedRoot => {
      const [keyDetails, window] = ['PKIX_ECDSA_P256_SHA_256', { start: 0, end }] as const;
      const log = {
        baseUrl: 'https://log',
        publicKey: Uint8Array.of(1),
        keyDetails,
        window,
        logId: Uint8Array.of(2),
      };
      const authority = { organization: '', commonName: '', uri: '', chain: [Uint8Array.of(3)], window };
      return {
        certificateAuthorities: [authority],
        certificateLogs: [log],
        timestampAuthorities: [authority],
        artifactLogs: [log],
      };
    };
    for (const [before, after, count] of [
      [5000, undefined, 4],
      [5000, 6000, 4],
      [5000, 5000, 0],
      [5000, 4000, 0],
      [undefined, 5000, 0],
      [undefined, undefined, 0],
    ] as const)
      expect(reopenedBy(withEnd(after), withEnd(before)), `${before} ${after}`).to.have.length(count);
  });
});
