import { execFileSync } from 'node:child_process';
import { copyFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeRoot } from '../../cli/ca/ca-root.ts';
import { renew } from '../../cli/ca/ca-renew.ts';
import { sign } from '../../cli/ca/ca-sign.ts';
import { endTrust } from '../../cli/trust/trust-end.ts';
import { rfc3339 } from '../../core/clock.ts';
import { toHex } from '../../core/bytes.ts';
import { parseCertificate } from '../../core/certificate.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { readChain, TrustError } from '../../trust/collect.ts';
import { readTrust } from '../../trust/ledger.ts';
import { decodePem, encodePem } from '../../core/pem.ts';
import { RotationError } from '../../instance/rotation-error.ts';
import { OpenedKeys } from '../../instance/opened-keys.ts';
import { openAuthority } from '../../service/open-authority.ts';
import { sha256 } from '../support/parsers.ts';
import { failureAs, failureOf } from '../support/failure.ts';
import {
  judge,
  expectAccepted,
  listener,
  RenewableInstance,
  stockComplaint,
} from './support/renewable-instance.ts';

describe('renewing a CA: before, during and after', function () {
  this.timeout(60_000);
  let ca: RenewableInstance;
  beforeEach(async () => {
    ca = await RenewableInstance.make();
    const pems = await readFile(ca.paths.chain, 'utf8');
    await writeFile(ca.path('root.pem'), pems.slice(pems.lastIndexOf('-----BEGIN')));
  });
  afterEach(() => ca.remove());

  const run = async (step: Partial<Parameters<typeof renew>[0]>): Promise<string> => {
    const speak = listener();
    await renew({ data: ca.data, ...step }, speak);
    return speak.heard.join('\n');
  };

  /** A chain for the key of the renewal in `chain.pem`. */
  async function signRequest(root = 'root'): Promise<string> {
    for (const file of ['request.pem', 'chain.pem']) await rm(ca.path(file), { force: true });
    await run({ csr: ca.path('request.pem') });
    const keys = { root: ca.path(`${root}.pem`), rootKey: ca.path(`${root}.key.pem`) };
    await sign({ ...keys, out: ca.path('chain.pem') }, listener(), [ca.path('request.pem')]);
    return ca.path('chain.pem');
  }

  async function newRoot(): Promise<void> {
    const names = { organization: 'Test', commonName: 'Test CA G2', keyType: 'p384' };
    await makeRoot({ ...names, out: ca.path('next.pem'), rootKeyOut: ca.path('next.key.pem') }, listener());
  }

  const issuingOf = async (): Promise<string> =>
    toHex(sha256(decodePem(await readFile(ca.paths.chain, 'utf8'))[0]?.bytes ?? new Uint8Array()));

  it('all verify with the trusted root that is handed out when the successor is staged', async () => {
    const before = await ca.sign();
    const old = await ca.trustedRoot();
    const said = await run({ stage: await signRequest() });
    expect(said).to.match(/It issues nothing yet.*[^]*--switch/);
    const staged = await ca.trustedRoot();
    const during = await ca.sign();
    expect(during.chain[0]).to.deep.equal(before.chain[0]);
    const former = await issuingOf();
    expect(await run({ switch: true })).to.include(`--ca ${former}`);
    const after = await ca.sign();
    expect(after.chain[0]).not.to.deep.equal(before.chain[0]);

    await expectAccepted(staged, { before, during, after });
    await expectAccepted(await ca.trustedRoot(), { before, during, after });
    await expectAccepted(old, { before, during });
    // Older files: ours takes the intermediate from what came with it, and says else that newer files may help.
    expect((await judge(after, old, true)).ok).to.equal(true);
    expect(await judge(after, old)).to.include({ ok: false, fault: 'trust' });
    expect(stockComplaint(after, old)).not.to.equal(undefined);
  });

  it('all verify with one trusted root over a new root, too', async () => {
    const before = await ca.sign();
    await newRoot();
    const chain = await signRequest('next');
    expect(String(await failureOf(run({ stage: chain })))).to.match(/ends at another root/);
    const old = await ca.trustedRoot();
    expect(await run({ stage: chain, newRoot: true })).to.match(
      /old root .*CN=Test CA,[^]*new root .*CN=Test CA G2/,
    );
    const staged = await ca.trustedRoot();
    const during = await ca.sign();
    await run({ switch: true });
    const after = await ca.sign();
    await expectAccepted(staged, { before, during, after });
    await expectAccepted(await ca.trustedRoot(), { before, during, after });
    expect(await judge(after, old, true), 'never by what is presented alone').to.include({
      ok: false,
      fault: 'trust',
    });
    const { otherChains } = await openAuthority(ca.paths, new OpenedKeys({}), Date.now);
    expect(otherChains).to.have.length(1);
  });

  it('ends a compromised key at a time, for its copies elsewhere', async () => {
    const before = await ca.sign();
    await cp(ca.data, ca.path('stolen'), { recursive: true });
    const former = await issuingOf();
    const at = Math.ceil((before.time + 1000) / 1000) * 1000;
    const words = { data: ca.data, ca: former, at: rfc3339(at), reason: 'compromise' };
    expect(String(await failureOf(endTrust(words, listener())))).to.match(/is in force/);
    await endTrust({ ...words, inForce: true }, listener());
    await run({ install: await signRequest() });
    ca.skew = 60_000;
    const after = await ca.sign();
    const root = await ca.trustedRoot();
    await expectAccepted(root, { before, after });
    // What the thief signs then, with the key, and an entry in the log.
    for (const part of ['ca', 'keys'])
      await cp(join(ca.path('stolen'), part), join(ca.data, part), { recursive: true });
    const stolen = await ca.sign();
    expect(stolen.chain[0]).to.deep.equal(before.chain[0]);
    expect(await judge(stolen, root, true)).to.include({ ok: false, fault: 'trust' });
    expect(stockComplaint(stolen, root)).not.to.equal(undefined);
  });

  it('leads from a stolen successor to another key alone', async () => {
    await run({ stage: await signRequest() });
    const [stolen = new Uint8Array()] = await readChain(ca.paths.nextChain);
    const key = parseCertificate(stolen).spki;
    const staged = {
      chain: await readFile(ca.paths.nextChain),
      key: await readFile(ca.paths.nextIntermediateKey),
    };
    const again = (): Promise<unknown> => failureOf(run({ csr: ca.path('another.pem') }));
    expect(String(await again())).to.match(/staged already/);
    const words = { data: ca.data, ca: toHex(sha256(stolen)), at: 'now', reason: 'compromise' };
    await endTrust(words, listener());
    await new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000)));
    // Somebody removes the chain alone: its key is not certified again.
    await rm(ca.paths.nextChain);
    expect(String(await again())).to.match(/time of the key that waits was ended/);
    expect(String(await failureOf(run({ stage: ca.path('chain.pem') })))).to.match(/was ended/);
    expect(String(await failureOf(run({ install: ca.path('chain.pem') })))).to.match(/was ended/);
    await writeFile(ca.paths.nextChain, staged.chain);
    expect(await run({ discard: true })).to.include(toHex(sha256(stolen)));
    for (const file of [ca.paths.nextChain, ca.paths.nextIntermediateKey])
      expect(await isMissing(file), file).to.equal(true);
    expect(await run({ discard: true })).to.match(/Nothing is staged, and nothing is left/);
    const before = await ca.sign();
    await run({ stage: await signRequest() });
    await run({ switch: true });
    const after = await ca.sign();
    expect(parseCertificate(after.chain[0] ?? new Uint8Array()).spki).not.to.deep.equal(key);
    await expectAccepted(await ca.trustedRoot(), { before, after });
    // The thief issues with it.
    await writeFile(ca.paths.chain, staged.chain);
    await writeFile(ca.paths.intermediateKey, staged.key);
    const theirs = await ca.sign();
    const { root } = await readTrust(ca.paths);
    expect(await judge(theirs, root, true)).to.include({ ok: false, fault: 'trust' });
  });

  it('gives up what was staged with all of its windows, whatever was recorded of it', async () => {
    const chain = await signRequest();
    // Staged, and the crash came before it was recorded.
    await copyFile(chain, ca.paths.nextChain);
    await run({ discard: true });
    const { root, inForce } = await readTrust(ca.paths);
    const [given, ...more] = root.certificateAuthorities.filter(({ window }) => window.end !== undefined);
    expect([given?.chain[0], more.length]).to.deep.equal([(await readChain(chain))[0], 0]);
    expect(given?.window.end).to.equal(given?.window.start);
    expect(inForce.certificateAuthorities.map(({ window }) => window.end)).to.deep.equal([undefined]);
    // A key whose request was never answered.
    await run({ csr: ca.path('another.pem') });
    await run({ discard: true });
    expect(await isMissing(ca.paths.nextIntermediateKey)).to.equal(true);
  });

  it('takes no key away that is in force, and names the chain before it when it is finished', async () => {
    const former = await issuingOf();
    const chain = await signRequest();
    await run({ stage: chain });
    const { paths } = ca;
    await mkdir(paths.formerChains);
    await copyFile(paths.chain, join(paths.formerChains, `${former.slice(0, 32)}.pem`));
    await copyFile(chain, paths.chain);
    for (const step of [{ csr: ca.path('another.pem'), keyType: 'p384' }, { discard: true as const }])
      expect(String(await failureOf(run(step)))).to.match(/last switch was interrupted/);
    // Its time may have ended meanwhile: it can be finished, and followed.
    await endTrust(
      { data: ca.data, ca: await issuingOf(), at: 'now', reason: 'compromise', inForce: true },
      listener(),
    );
    await new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000)));
    expect(await run({ switch: true })).to.include(`--ca ${former}`);
    expect(await isMissing(paths.nextIntermediateKey)).to.equal(true);
    await run({ install: await signRequest() });
  });

  it('stages no certificate under another root than the one with which it is published', async () => {
    await run({ stage: await signRequest() });
    const [staged] = decodePem(await readFile(ca.path('chain.pem'), 'utf8'));
    // The same root, made again with the same key.
    const root = execFileSync(
      'openssl',
      [
        'x509',
        '-in',
        ca.path('root.pem'),
        '-signkey',
        ca.path('root.key.pem'),
        '-days',
        '3000',
        '-set_serial',
        '77',
      ],
      { stdio: 'pipe' },
    );
    await writeFile(
      ca.path('other.pem'),
      encodePem('CERTIFICATE', staged?.bytes ?? new Uint8Array()) + root.toString(),
    );
    const before = await readFile(ca.paths.nextChain, 'utf8');
    const again = run({ stage: ca.path('other.pem'), newRoot: true });
    expect((await failureAs(RotationError, again)).message).to.match(/with another chain above it/);
    expect(await readFile(ca.paths.nextChain, 'utf8')).to.equal(before);
    await run({ stage: ca.path('chain.pem') });
  });

  it('names the file of a chain that is damaged, at every step', async () => {
    const chain = await signRequest();
    await run({ stage: chain });
    const { paths } = ca;
    for (const file of [paths.nextChain, paths.chain]) {
      const good = await readFile(file);
      await writeFile(file, '-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n');
      for (const step of [
        { csr: ca.path('no.pem') },
        { switch: true as const },
        { discard: true as const },
      ]) {
        const error = await failureAs(TrustError, run(step));
        expect([error.code, error.message.startsWith(file)], Object.keys(step)[0]).to.deep.equal([
          'CHAIN_MALFORMED',
          true,
        ]);
      }
      await writeFile(file, good);
    }
    await run({ switch: true });
  });

  it('says whom it breaks when both steps are one', async () => {
    expect(await run({ install: await signRequest() })).to.match(
      /Until they do, these refuse.*clients of Sigstore/,
    );
  });

  it('refuses to put in force what nobody trusts any more', async () => {
    await run({ stage: await signRequest() });
    const id = toHex(
      sha256(decodePem(await readFile(ca.paths.nextChain, 'utf8'))[0]?.bytes ?? new Uint8Array()),
    );
    await endTrust({ data: ca.data, ca: id, at: 'now', reason: 'compromise' }, listener());
    const chain = await readFile(ca.paths.chain, 'utf8');
    await new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000)));
    expect(String(await failureOf(run({ switch: true })))).to.match(/is trusted from .* until .*, not now/);
    expect(await readFile(ca.paths.chain, 'utf8')).to.equal(chain);
  });

  it('finishes by the same command wherever it was interrupted', async () => {
    const before = await ca.sign();
    const chain = await signRequest();
    const { paths } = ca;
    const former = await readFile(paths.chain, 'utf8');
    const oldKey = await readFile(paths.intermediateKey);
    const newKey = await readFile(paths.nextIntermediateKey);
    /** How each crash leaves the directory, from the first durable step to the last. */
    const crashes: readonly [what: string, leave: () => Promise<unknown>, by: 'stage' | 'switch'][] = [
      ['staged and not recorded', () => copyFile(chain, paths.nextChain), 'stage'],
      ['kept the former chain', () => keep(former), 'switch'],
      ['put the chain in force', () => copyFile(chain, paths.chain), 'switch'],
      ['put the key in its place', () => writeFile(paths.intermediateKey, newKey), 'switch'],
      ['removed the key of the renewal', () => rm(paths.nextIntermediateKey), 'switch'],
    ];
    const keep = async (pem: string): Promise<void> => {
      await mkdir(paths.formerChains, { recursive: true });
      const name = (await issuingOf()).slice(0, 32);
      await writeFile(join(paths.formerChains, `${name}.pem`), pem);
    };
    for (let count = 1; count <= crashes.length; count++) {
      await rm(paths.formerChains, { recursive: true, force: true });
      await rm(join(paths.trustedRoot, '..'), { recursive: true, force: true });
      await writeFile(paths.chain, former);
      await writeFile(paths.intermediateKey, oldKey);
      await writeFile(paths.nextIntermediateKey, newKey);
      for (const [, leave] of crashes.slice(0, count)) await leave();
      const [what, , by] = crashes[count - 1] ?? ['', undefined, 'stage'];
      const between = await ca.sign();
      await expectAccepted(await ca.trustedRoot(), {
        [`${what}, before`]: before,
        [`${what}, between`]: between,
      });
      await run(by === 'stage' ? { stage: chain } : { switch: true });
      if (by === 'stage') await run({ switch: true });
      const after = await ca.sign();
      expect(after.chain[0], what).not.to.deep.equal(before.chain[0]);
      await expectAccepted(await ca.trustedRoot(), { before, between, [`${what}, after`]: after });
      expect((await openAuthority(paths, new OpenedKeys({}), Date.now)).otherChains, what).to.have.length(1);
      expect(await run({ switch: true }), what).to.match(/^Nothing is staged. In force already/);
    }
  });
});
