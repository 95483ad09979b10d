import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { expect } from 'chai';
import { importTrustFile } from '../../cli/trust/trust-import.ts';
import { endTrust } from '../../cli/trust/trust-end.ts';
import { platformCrypto } from '../../cli/verify/platform-crypto.ts';
import { parseCertificate } from '../../core/certificate.ts';
import { rfc3339 } from '../../core/clock.ts';
import { decodePem } from '../../core/pem.ts';
import { encodeClientTrustConfig } from '../../trust/format/signing-config.ts';
import {
  EMPTY_TRUSTED_ROOT,
  encodeTrustedRoot,
  parseTrustedRoot,
  type TrustedRoot,
} from '../../trust/format/trusted-root.ts';
import { readTrust } from '../../trust/ledger.ts';
import { anything } from '../../verify/identity-policy.ts';
import { verifyCertificate } from '../../verify/verify-certificate.ts';
import { failureOf } from '../support/failure.ts';
import { projectRoot } from '../support/project-root.ts';
import { sha256 } from '../support/parsers.ts';
import { vectorPath } from '../support/vectors.ts';
import { KEYS } from '../support/verify-world.ts';
import { judge, listener, RenewableInstance, stockComplaint } from './support/renewable-instance.ts';

/** The trusted root that the npm client of Sigstore comes with. */
function publicGood(): string {
  const require = createRequire(join(projectRoot, 'package.json'));
  const seeds = JSON.parse(readFileSync(require.resolve('@sigstore/tuf/seeds.json'), 'utf8')) as Record<
    string,
    { targets: Record<string, string> }
  >;
  const target = seeds['https://tuf-repo-cdn.sigstore.dev']?.targets['trusted_root.json'] ?? '';
  return Buffer.from(target, 'base64').toString();
}

describe('trust import', function () {
  this.timeout(30_000);
  let ca: RenewableInstance;
  beforeEach(async () => (ca = await RenewableInstance.make()));
  afterEach(() => ca.remove());

  async function take(text: string, to = ca, takeEnds?: true): Promise<string> {
    const file = to.path('import.json');
    writeFileSync(file, text);
    const speak = listener();
    await importTrustFile({ data: to.data, ...(takeEnds && { takeEnds }) }, speak, [file]);
    return speak.heard.join('\n');
  }
  const root = async (): Promise<TrustedRoot> => (await readTrust(ca.paths)).root;

  it('takes all that a running Sigstore trusts, and what it issued verifies then', async () => {
    const text = publicGood();
    const own = await root();
    const said = await take(text);
    expect(said).to.match(/CA CN=sigstore-intermediate, O=sigstore.dev, 2022-04-13T20:06:15Z to now and on/);
    expect(said).to.match(/certificate log https:\/\/ctfe.sigstore.dev\/test, .* to 2022-10-31T23:59:59Z/);
    expect(said).to.match(/artifact log https:\/\/rekor.sigstore.dev/);
    const now = await root();
    const theirs = parseTrustedRoot(text);
    for (const list of [
      'certificateAuthorities',
      'certificateLogs',
      'timestampAuthorities',
      'artifactLogs',
    ] as const)
      expect(now[list], list).to.have.length(own[list].length + theirs[list].length);
    const trust = { roots: [], intermediates: [], logs: [], trustedRoot: await ca.trustedRoot() };
    for (const { bytes } of decodePem(readFileSync(vectorPath('public-good/certificates.pem'), 'utf8'))) {
      const answer = await verifyCertificate({
        certificate: bytes,
        trust,
        policy: { identity: anything, issuer: anything },
        crypto: platformCrypto,
      });
      expect(answer.ok, JSON.stringify(answer.steps)).to.equal(true);
    }
    const mine = await ca.sign();
    const given = await ca.trustedRoot();
    expect((await judge(mine, given)).ok).to.equal(true);
    expect(stockComplaint(mine, given)).to.equal(undefined);
  });

  it('changes nothing when it is done again, also from a client trust config', async () => {
    await take(publicGood());
    const before = readFileSync(ca.paths.trustedRoot, 'utf8');
    expect(await take(publicGood())).to.match(/^Nothing is new\.\nThere already: \d+/);
    const config = encodeClientTrustConfig({
      trustedRoot: parseTrustedRoot(publicGood()),
      signingConfig: {
        certificateAuthorities: [],
        openidProviders: [],
        artifactLogs: [],
        timestampAuthorities: [],
      },
    });
    expect(await take(config)).to.match(/^Nothing is new/);
    expect(await take(encodeTrustedRoot(await root())), 'what is our own').to.match(/^Nothing is new/);
    expect(readFileSync(ca.paths.trustedRoot, 'utf8')).to.equal(before);
  });

  it('refuses conflicts by name, and takes nothing of the file then', async () => {
    const theirs = parseTrustedRoot(publicGood());
    await take(encodeTrustedRoot(theirs));
    const before = readFileSync(ca.paths.trustedRoot, 'utf8');
    const [log, ca2] = [theirs.certificateLogs[0], theirs.certificateAuthorities[1]];
    if (log === undefined || ca2 === undefined) throw new Error('the public trusted root lacks a part');
    const fresh = { ...log, publicKey: KEYS.other.spki, logId: sha256(KEYS.other.spki) };
    const only = (change: Partial<TrustedRoot>): TrustedRoot => ({ ...EMPTY_TRUSTED_ROOT, ...change });
    const conflicts: readonly [TrustedRoot, RegExp][] = [
      [
        only({ certificateLogs: [fresh, { ...log, publicKey: KEYS.other.spki }] }),
        /certificate log https:\/\/ctfe\.sigstore\.dev\/test: its log id is there already with another key/,
      ],
      [
        only({ certificateLogs: [{ ...log, logId: fresh.logId }] }),
        /its key is there already under another log id/,
      ],
      [
        only({
          certificateAuthorities: [{ ...ca2, window: { ...ca2.window, end: ca2.window.start + 1000 } }],
        }),
        /the CA CN=sigstore-intermediate, O=sigstore\.dev: it is trusted from 2022-04-13T20:06:15Z here, and from 2022-04-13T20:06:15Z until 2022-04-13T20:06:16Z there/,
      ],
      [
        only({ certificateAuthorities: [{ ...ca2, chain: ca2.chain.slice(0, 1) }] }),
        /it is there already with another chain above it/,
      ],
      [only({ certificateLogs: [{ ...fresh, publicKey: Uint8Array.of(1) }] }), /certificate log .*: /],
      [
        only({ certificateLogs: [{ ...fresh, window: { start: 2000, end: 1000 } }] }),
        /its window ends before it begins/,
      ],
    ];
    for (const [imported, says] of conflicts) {
      const error: unknown = await failureOf(take(encodeTrustedRoot(imported)));
      expect(String(error))
        .to.match(/nothing was taken: /)
        .and.match(says);
      expect(readFileSync(ca.paths.trustedRoot, 'utf8')).to.equal(before);
    }
  });

  it('takes over a deployment with its CA: what it signed before and signs after verifies with one root', async () => {
    const old = ca;
    const before = await old.sign();
    const given = await old.trustedRoot();
    const [authority] = given.certificateAuthorities;
    if (authority === undefined) throw new Error('there is no CA');
    const { notBefore } = parseCertificate(authority.chain[0] ?? new Uint8Array());
    // As an operator wrote it, who did not look into the certificate.
    const start = Math.floor(notBefore / 1000) * 1000 - 86_400_000;
    const theirs = { ...given, certificateAuthorities: [{ ...authority, window: { start } }] };
    const moved = await RenewableInstance.adopt(old);
    try {
      expect(await take(encodeTrustedRoot(theirs), moved)).to.match(/has the window of the file now:\n +CA /);
      expect(await take(encodeTrustedRoot(theirs), moved)).to.match(/^Nothing is new/);
      const after = await moved.sign();
      const root = await moved.trustedRoot();
      expect(root.certificateAuthorities.map(({ window }) => window.start)).to.deep.equal([start]);
      expect(root.certificateLogs).to.have.length(2);
      for (const artifact of [before, after]) {
        expect((await judge(artifact, root)).ok).to.equal(true);
        expect(stockComplaint(artifact, root)).to.equal(undefined);
      }
      expect((await judge(after, given)).fault, 'the log is new').to.equal('trust');
    } finally {
      await moved.remove();
    }
  });

  it('ends nothing of its own, in force or not, unless ends are to be taken', async () => {
    const given = await ca.trustedRoot();
    const [past, future] = [Date.now() - 60_000, Date.now() + 9e9].map(
      (time) => Math.floor(time / 1000) * 1000,
    );
    for (const list of ['certificateAuthorities', 'certificateLogs'] as const)
      for (const end of [past, future]) {
        const ended = given[list].map((one) => ({ ...one, window: { start: one.window.start - 1e6, end } }));
        const text = encodeTrustedRoot({ ...EMPTY_TRUSTED_ROOT, [list]: ended });
        expect(String(await failureOf(take(text)))).to.match(
          /nothing was taken: .* it is trusted from .* there/,
        );
        expect((await root())[list].map(({ window }) => window.end)).to.deep.equal([undefined]);
      }
    const ends = given.certificateAuthorities.map((one) => ({
      ...one,
      window: { ...one.window, end: future },
    }));
    await take(encodeTrustedRoot({ ...EMPTY_TRUSTED_ROOT, certificateAuthorities: ends }), ca, true);
    expect((await root()).certificateAuthorities.map(({ window }) => window.end)).to.deep.equal([future]);
  });

  it('takes the ends that a restored backup lost, and says what of it is in force', async () => {
    const exported = async (): Promise<string> => encodeTrustedRoot(await ca.trustedRoot());
    const at = rfc3339(Date.now());
    await take(publicGood());
    const [{ logId } = { logId: new Uint8Array() }] = parseTrustedRoot(publicGood()).artifactLogs;
    const lost = readFileSync(ca.paths.trustedRoot);
    const end = { data: ca.data, at, reason: 'superseded' };
    await endTrust({ ...end, log: Buffer.from(logId).toString('base64') }, listener());
    await endTrust({ ...end, log: '2026', inForce: true }, listener());
    const last = await exported();
    writeFileSync(ca.paths.trustedRoot, lost);
    expect(String(await failureOf(take(last)))).to.match(
      /artifact log https:\/\/rekor.sigstore.dev: it is trusted/,
    );
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(await take(last, ca, true)).to.match(/\/log\/2026\/ is in force here and ended there/);
    const ends = ({ artifactLogs, certificateLogs }: TrustedRoot): unknown =>
      [...artifactLogs, ...certificateLogs].map(({ window }) => window.end);
    expect(ends(await ca.trustedRoot())).to.deep.equal(ends(parseTrustedRoot(last)));
  });
});
