import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { endTrust, type EndOptions } from '../../cli/trust/trust-end.ts';
import { importTrustFile } from '../../cli/trust/trust-import.ts';
import { platformCrypto } from '../../cli/verify/platform-crypto.ts';
import { toHex } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { withFileLock } from '../../storage/file-lock.ts';
import {
  EMPTY_TRUSTED_ROOT,
  encodeTrustedRoot,
  type TrustedAuthority,
  type TrustedRoot,
} from '../../trust/format/trusted-root.ts';
import { readTrust, recordTrust } from '../../trust/ledger.ts';
import { exactly } from '../../verify/identity-policy.ts';
import { verifyCertificate } from '../../verify/verify-certificate.ts';
import { failureOf } from '../support/failure.ts';
import { sha256 } from '../support/parsers.ts';
import { IDENTITY, ISSUER, KEYS, makeWorld, T0, type World } from '../support/verify-world.ts';
import { listener, RenewableInstance } from './support/renewable-instance.ts';

const START = T0 - 60_000;
const END = T0 - 5000;
const fingerprint = (der: Uint8Array | undefined): string => toHex(sha256(der ?? new Uint8Array()));
const authority = (chain: readonly Uint8Array[], start = START): TrustedAuthority => ({
  organization: 'Test',
  commonName: 'Test',
  uri: 'https://old.example',
  chain,
  window: { start },
});

/** One CA key in two certificates, and another CA below the same root. */
const former = makeWorld();
const again = makeWorld({ intermediate: (plan) => ({ ...plan, notAfter: plan.notAfter + 1000 }) });
const renewed = makeWorld({
  intermediate: (plan) => ({ ...plan, key: KEYS.other }),
  leaf: (plan) => ({ ...plan, signer: KEYS.other }),
});
const root = former.trust.roots;
const chains = {
  first: [...former.trust.intermediates, ...root],
  again: [...again.trust.intermediates, ...root],
  renewed: [...renewed.trust.intermediates, ...root],
  root,
};
type ChainName = keyof typeof chains;

describe('trust end --at now', function () {
  this.timeout(30_000);

  it('lets the second count in which it ends what was superseded, and not that of a theft', async () => {
    const ca = await RenewableInstance.make();
    try {
      const words = {
        data: ca.data,
        ca: fingerprint((await chainOf(ca))[0]),
        at: 'now',
        inForce: true,
      } as const;
      const endOf = async (): Promise<number> =>
        (await ca.trustedRoot()).certificateAuthorities[0]?.window.end ?? Infinity;
      const before = Date.now();
      await endTrust({ ...words, reason: 'superseded' }, listener());
      expect(await endOf()).to.be.at.least(before);
      await endTrust({ ...words, reason: 'compromise' }, listener());
      expect(await endOf()).to.be.at.most(Date.now());
    } finally {
      await ca.remove();
    }
  });
});

const chainOf = async (ca: RenewableInstance): Promise<readonly Uint8Array[]> =>
  (await ca.trustedRoot()).certificateAuthorities[0]?.chain ?? [];

describe('trust end, of a key that several entries have', function () {
  this.timeout(30_000);
  let ca: RenewableInstance;
  beforeEach(async () => (ca = await RenewableInstance.make()));
  afterEach(() => ca.remove());

  const record = (...names: (ChainName | TrustedAuthority)[]): Promise<unknown> =>
    recordTrust(ca.paths, (trusted) => ({
      ...trusted,
      certificateAuthorities: [
        ...trusted.certificateAuthorities,
        ...names.map((name) => (typeof name === 'string' ? authority(chains[name]) : name)),
      ],
    }));
  const trusted = async (): Promise<TrustedRoot> => (await readTrust(ca.paths)).root;
  /** Of the entry of each chain that was recorded. */
  const endsOf = async (...names: ChainName[]): Promise<(number | undefined)[]> => {
    const all = (await trusted()).certificateAuthorities;
    return names.map(
      (name) =>
        all.find(
          ({ chain }) => toHex(chain[0] ?? new Uint8Array()) === toHex(chains[name][0] ?? new Uint8Array()),
        )?.window.end,
    );
  };
  async function end(options: Partial<EndOptions>): Promise<string> {
    const speak = listener();
    const at = rfc3339(END);
    await endTrust({ data: ca.data, at, reason: 'compromise', ...options }, speak);
    return speak.heard.join('\n');
  }
  async function isBelieved(world: World): Promise<boolean> {
    const log = { baseUrl: 'https://log.example', publicKey: KEYS.log.spki, logId: sha256(KEYS.log.spki) };
    const certificateLogs = [
      { ...log, keyDetails: 'PKIX_ECDSA_P256_SHA_256', window: { start: START } },
    ] as const;
    const trustedRoot = { ...(await trusted()), certificateLogs };
    const { ok } = await verifyCertificate({
      certificate: world.certificate,
      presented: [...world.trust.intermediates],
      policy: { identity: exactly(IDENTITY), issuer: exactly(ISSUER) },
      crypto: platformCrypto,
      trust: { roots: [], intermediates: [], logs: [], trustedRoot },
    });
    return ok;
  }

  it('lists the others when the key was stolen, and ends all of them where that is said', async () => {
    await record('first', 'again', 'renewed');
    const stolen = fingerprint(chains.first[0]);
    const refusal = String(await failureOf(end({ ca: stolen })));
    expect(refusal)
      .to.include(fingerprint(chains.again[0]))
      .and.not.to.include(fingerprint(chains.renewed[0]));
    expect(await endsOf('first', 'again')).to.deep.equal([undefined, undefined]);
    expect([await isBelieved(former), await isBelieved(again)]).to.deep.equal([true, true]);
    const said = await end({ ca: stolen, sameKey: true });
    expect(said).to.include(fingerprint(chains.again[0]));
    expect(await endsOf('first', 'again', 'renewed')).to.deep.equal([END, END, undefined]);
    expect([await isBelieved(former), await isBelieved(again)]).to.deep.equal([false, false]);
    expect(await isBelieved(renewed)).to.equal(true);
    expect(await end({ ca: stolen }), 'nothing is open that has it').to.include(stolen);
  });

  it('says of one that was superseded where its key goes on', async () => {
    await record('first', 'again');
    const said = await end({ ca: fingerprint(chains.first[0]), reason: 'superseded' });
    expect(said).to.match(/Its key goes on counting where these have it too: /);
    expect(said).to.include(fingerprint(chains.again[0]));
    expect(await endsOf('first', 'again')).to.deep.equal([END, undefined]);
  });

  it('of a root that issued itself and stands above others, ends the others too or nothing', async () => {
    await record('root', 'renewed');
    const stolen = fingerprint(root[0]);
    expect(String(await failureOf(end({ ca: stolen })))).to.include(fingerprint(chains.renewed[0]));
    expect(await endsOf('root', 'renewed')).to.deep.equal([undefined, undefined]);
    await end({ ca: stolen, reason: 'superseded' });
    expect(await endsOf('root', 'renewed'), 'its own time alone').to.deep.equal([END, undefined]);
    await end({ ca: stolen, sameKey: true });
    expect(await endsOf('root', 'renewed')).to.deep.equal([END, END]);
    expect(await isBelieved(renewed)).to.equal(false);
  });

  it('finds a CA in the middle, and one that began after the theft, of which nothing counts then', async () => {
    const late = T0 - 2000;
    const middle = chains.first[0] ?? new Uint8Array();
    await record(authority([...chains.renewed.slice(0, 1), ...chains.first], late), 'first');
    await failureOf(end({ ca: fingerprint(middle) }));
    const said = await end({ ca: fingerprint(middle), sameKey: true });
    expect(said).to.include(`trusted from ${rfc3339(late)} until ${rfc3339(late)}`);
    expect(await endsOf('renewed', 'first')).to.deep.equal([late, END]);
  });

  it('does not let an import that began before undo an end', async () => {
    await record('first');
    const file = join(ca.root, 'import.json');
    const theirs = [authority(chains.renewed)];
    await writeFile(file, encodeTrustedRoot({ ...EMPTY_TRUSTED_ROOT, certificateAuthorities: theirs }));
    const trust = dirname(ca.paths.trustedRoot);
    mkdirSync(trust, { recursive: true });
    const before = await trusted();
    const importing = await withFileLock(join(trust, '.lock'), 1000, async () => {
      const started = importTrustFile({ data: ca.data }, listener(), [file]);
      await pause(300);
      // As another process records it.
      const ended = before.certificateAuthorities.map((one) => ({
        ...one,
        window: { ...one.window, end: T0 + 9e9 },
      }));
      await writeFile(ca.paths.trustedRoot, encodeTrustedRoot({ ...before, certificateAuthorities: ended }));
      return { started };
    });
    await importing.started;
    const after = (await trusted()).certificateAuthorities.map(({ window }) => window.end);
    expect(after.sort()).to.deep.equal([T0 + 9e9, T0 + 9e9, undefined]);
  });
});
