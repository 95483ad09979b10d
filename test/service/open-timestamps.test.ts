import { createPublicKey, type KeyObject } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { AuthorityError } from '../../ca/authority-error.ts';
import { createAuthorityChain, type AuthorityChain } from '../../ca/ceremony.ts';
import { certifyTimestamps } from '../../ca/timestamp-certificate.ts';
import { parseConfig } from '../../config/load/load.ts';
import { rfc3339 } from '../../core/clock.ts';
import { decodePem, encodePem } from '../../core/pem.ts';
import { DataDirectoryError } from '../../instance/data-directory-error.ts';
import { OpenedKeys } from '../../instance/opened-keys.ts';
import { dataPaths, type DataPaths } from '../../instance/data-paths.ts';
import { createServiceLog } from '../../server/operator/service-log.ts';
import { openTimestamps, type OpenedTimestamps } from '../../service/open-timestamps.ts';
import { ShutdownOrder } from '../../service/shutdown-order.ts';
import { isAuthority } from '../../service/trusted-parts.ts';
import { TrustedWindow } from '../../service/trusted-window.ts';
import { KeyFileError } from '../../signers/key-error.ts';
import { writeKeyPem } from '../../signers/key-file.ts';
import { generateKey } from '../../signers/key-types.ts';
import { EMPTY_TRUSTED_ROOT, encodeTrustedRoot } from '../../trust/format/trusted-root.ts';
import { trustedAuthority } from '../../trust/trusted-entries.ts';
import { TimestampError } from '../../tsa/timestamp-error.ts';
import { parseTimestampRequest } from '../../tsa/timestamp-request.ts';
import { failureAs } from '../support/failure.ts';
import { requestFor } from '../tsa/support/test-authority.ts';

const REQUEST = parseTimestampRequest(requestFor(Buffer.from('data')));

describe('service/open-timestamps', () => {
  let paths: DataPaths;
  let authority: AuthorityChain;
  let key: KeyObject;
  let shutdown: ShutdownOrder;
  const clock = Date.now;

  before(async () => {
    authority = await createAuthorityChain({
      organization: 'Test',
      commonName: 'Test CA',
      keyType: 'p256',
      clock,
      dev: false,
    });
  });
  beforeEach(async () => {
    paths = dataPaths(await mkdtemp(join(tmpdir(), 'mayfly-timestamps-')));
    for (const path of [paths.timestampChain, paths.timestampKey])
      await mkdir(dirname(path), { recursive: true });
    key = await generateKey('p256');
    await writeFile(paths.timestampKey, writeKeyPem(key));
    await writeFile(paths.timestampChain, await chainFor(key));
    shutdown = new ShutdownOrder();
  });
  afterEach(async () => {
    await shutdown.close();
    await rm(paths.root, { recursive: true });
  });

  const chainFor = (signing: KeyObject): Promise<string> =>
    certifyTimestamps(createPublicKey(signing), 'Test timestamps', {
      root: encodePem('CERTIFICATE', authority.rootDer),
      rootKey: authority.rootKey,
      clock,
    });

  let written: string[];
  beforeEach(() => (written = []));
  /** The sentences of what stands in the service log. */
  const notes = (): string[] => written.map((line) => (JSON.parse(line) as { sentence: string }).sentence);

  const open = (
    config = '{}',
    over: Partial<Parameters<typeof openTimestamps>[0]> = {},
  ): Promise<OpenedTimestamps | undefined> => {
    const { timestamps } = parseConfig(`mayfly: {timestamps: ${config}}`).mayfly;
    const log = createServiceLog({ write: (line) => written.push(line) }, 'warn');
    return openTimestamps({ clock, keys: new OpenedKeys({}), ...over }, paths, timestamps, log, shutdown);
  };

  it('opens what init has made', async () => {
    const opened = await open('{policy: 1.2.3, log-grants: true, rate-limit: off}');
    expect(opened).to.include({ logsGrants: true, rateLimit: undefined });
    expect(opened?.faultAt(clock())).to.equal(undefined);
    expect((await opened?.authority.grant(REQUEST))?.response).to.have.length.above(500);
  });

  it('grants nothing in an older directory, and where it is turned off', async () => {
    expect(await open('{enabled: false}')).to.equal(undefined);
    await rm(paths.timestampChain);
    expect(await open()).to.equal(undefined);
  });

  it('writes the largest accuracy that can be configured', async () => {
    const response = (await (await open('{accuracy: 3601}'))?.authority.grant(REQUEST))?.response;
    expect(Buffer.from(response ?? []).toString('hex')).to.contain('300402020e11');
  });

  it('warns of a key that signs slowly', async () => {
    await open();
    expect(notes()).to.deep.equal([]);
    key = await generateKey('rsa3072');
    await writeFile(paths.timestampKey, writeKeyPem(key));
    await writeFile(paths.timestampChain, await chainFor(key));
    await open();
    expect(notes()).to.have.length(1);
    expect(notes()[0]).to.match(/the key for timestamps is RSA/);
  });

  it('signs with the key of the successor where a switch was interrupted', async () => {
    const next = await generateKey('p256');
    await writeFile(paths.nextTimestampKey, writeKeyPem(next));
    await writeFile(paths.timestampChain, await chainFor(next));
    expect(await open()).to.not.equal(undefined);
    await rename(paths.nextTimestampKey, paths.timestampKey);
    expect(await open()).to.not.equal(undefined);
  });

  it('does not start with the key of another certificate, without a key, or with the chain of the CA', async () => {
    await writeFile(paths.timestampKey, writeKeyPem(await generateKey('p256')));
    const mismatch = await failureAs(AuthorityError, open());
    expect(mismatch.code).to.equal('KEY_MISMATCH');
    expect(mismatch.message).to.match(/^\S+tsa\/chain\.pem: the key for timestamps does not belong/);
    expect(mismatch.hint).to.match(/To start without timestamps: `mayfly\.timestamps\.enabled: false`\.$/);
    await rm(paths.timestampKey);
    const missing = await failureAs(DataDirectoryError, open());
    expect(missing.message).to.match(/tsa\.key\.pem cannot be read/);
    expect(missing.hint).to.match(/mayfly\.timestamps\.enabled: false/);
    await writeFile(paths.timestampKey, 'no key');
    const malformed = await failureAs(KeyFileError, open());
    expect(malformed.message).to.match(/tsa\.key\.pem/);
    expect(malformed.hint).to.match(/mayfly\.timestamps\.enabled: false/);
    await writeFile(paths.timestampKey, writeKeyPem(authority.intermediateKey));
    const ca = [authority.intermediateDer, authority.rootDer];
    await writeFile(paths.timestampChain, ca.map((der) => encodePem('CERTIFICATE', der)).join(''));
    expect((await failureAs(AuthorityError, open())).code).to.equal('EXTENDED_KEY_USAGE');
  });

  it('starts when the certificate has ended, and grants nothing: issuing must go on', async () => {
    const later = clock() + 20 * 366 * 86_400_000;
    const opened = await open('{}', { clock: () => later });
    expect(opened?.faultAt(later)).to.match(/^the certificate for timestamps ended/);
    const error = await failureAs(TimestampError, opened?.authority.grant(REQUEST));
    expect(error.code).to.equal('TIMESTAMP_CERTIFICATE');
  });

  /** Records the time of the authority in force as `mayfly trust end` does; `end` is milliseconds. */
  async function recordEnd(end: number): Promise<void> {
    const chain = decodePem(await readFile(paths.timestampChain, 'utf8')).map(({ bytes }) => bytes);
    const authority = trustedAuthority(chain, '/');
    const entry = { ...authority, window: { ...authority.window, end } };
    await mkdir(dirname(paths.trustedRoot), { recursive: true });
    await writeFile(
      paths.trustedRoot,
      encodeTrustedRoot({ ...EMPTY_TRUSTED_ROOT, timestampAuthorities: [entry] }),
    );
  }

  it('grants nothing that verifiers refuse: the trust in the authority was ended', async () => {
    const end = Math.floor(clock() / 1000) * 1000 + 3_600_000;
    await recordEnd(end);
    let now = end;
    const opened = await open('{}', { clock: () => now });
    expect(opened?.validity.notAfter).to.equal(end);
    expect(opened?.faultAt(now)).to.equal(undefined);
    expect((await opened?.authority.grant(REQUEST))?.time).to.equal(end);
    now += 1000;
    expect(opened?.faultAt(now)).to.equal(
      `verifiers trust the certificate for timestamps until ${rfc3339(end)} and no longer`,
    );
    const error = await failureAs(TimestampError, opened?.authority.grant(REQUEST));
    expect(error.code).to.equal('TIMESTAMP_CERTIFICATE');
  });

  it('follows the ledger while it runs, keeps what it read last, and says why', async () => {
    const [first] = decodePem(await readFile(paths.timestampChain, 'utf8'));
    const window = new TrustedWindow(
      paths.trustedRoot,
      ({ timestampAuthorities }) =>
        timestampAuthorities.find(isAuthority(first?.bytes ?? new Uint8Array()))?.window,
    );
    await window.read();
    expect([window.window?.end, window.fault]).to.deep.equal([undefined, undefined]);
    await recordEnd(1_900_000_000_000);
    await window.read();
    expect([window.window?.end, window.fault]).to.deep.equal([1_900_000_000_000, undefined]);
    await writeFile(paths.trustedRoot, '{');
    await window.read();
    window.close();
    expect(window.window?.end).to.equal(1_900_000_000_000);
    expect(window.fault).to.match(/trusted_root\.json is damaged/);
    const opened = await open();
    expect(opened?.warning()).to.match(/trusted_root\.json is damaged/);
    expect(opened?.faultAt(clock())).to.equal(undefined);
  });

  it('stops while somebody else does not trust the clock', async () => {
    const opened = await open('{}', { witness: () => 'the log does not trust the clock' });
    expect((await failureAs(TimestampError, opened?.authority.grant(REQUEST))).code).to.equal(
      'TIMESTAMP_CLOCK',
    );
  });
});
