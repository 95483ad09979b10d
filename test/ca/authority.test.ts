import { generateKeyPairSync } from 'node:crypto';
import { expect } from 'chai';
import { loadAuthority, type Authority } from '../../ca/authority.ts';
import { AuthorityError, type AuthorityReason } from '../../ca/authority-error.ts';
import { localSigner } from '../../signers/local-signer.ts';
import * as x509 from '../../ca/x509.ts';
import type { Signer } from '../../signers/signer.ts';
import { chainOf, NOW, testAuthority } from './support/authority.ts';
import { caNode, type CaNode, type CaOptions } from './support/ca-certificates.ts';

const { codeSigning, serverAuth } = x509.ExtendedKeyUsage;
const DAY = 86_400_000;

const load = (
  chain: readonly CaNode[],
  signer: Signer | undefined = chain[0]?.signer,
  now = NOW,
): Promise<Authority> => {
  if (signer === undefined) throw new Error('a chain without certificates needs a signer');
  return loadAuthority({ chainPem: chainOf(...chain.map(({ der }) => der)), signer, clock: () => now });
};

async function expectRefusal(
  code: AuthorityReason,
  run: Promise<unknown>,
  message: RegExp = /./,
): Promise<void> {
  const error: unknown = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(AuthorityError).with.property('code', code);
  expect((error as AuthorityError).message).to.match(message);
}

async function chain(root: Partial<CaOptions> = {}, issuing: Partial<CaOptions> = {}): Promise<CaNode[]> {
  const parent = await caNode({ name: 'root', ...root });
  return [await caNode({ name: 'issuing', parent, usages: [codeSigning], ...issuing }), parent];
}

describe('ca/authority', () => {
  it('loads a chain of three, of two and of one', async () => {
    const root = await caNode({ name: 'root' });
    const middle = await caNode({ name: 'middle', parent: root, pathLength: 1, curve: 'P-384' });
    const issuing = await caNode({ name: 'issuing', parent: middle, hash: 'SHA-384', usages: [codeSigning] });
    expect((await load([issuing, middle, root])).chain).to.have.length(3);
    expect((await load(await chain())).chain).to.have.length(2);
    expect((await load([root])).chain).to.have.length(1);
  });

  it('loads a chain that verifiers refuse, for a service that has it, and says so', async () => {
    const root = await caNode({ name: 'root' });
    const cross = await caNode({ name: 'cross', parent: root });
    const issuing = await caNode({ name: 'issuing', parent: cross, usages: [codeSigning] });
    const codes = async (nodes: readonly CaNode[]): Promise<AuthorityReason[]> =>
      (await load(nodes)).faults.map(({ code }) => code);
    expect(await codes([issuing, cross])).to.deep.equal(['NOT_A_ROOT']);
    expect(await codes(await chain({ keyUsage: null }, { keyUsage: null }))).to.deep.equal([
      'KEY_USAGE',
      'KEY_USAGE',
    ]);
    expect(await codes(await chain())).to.deep.equal([]);
  });

  const flaws: [AuthorityReason, string, Partial<CaOptions>, Partial<CaOptions>, RegExp?][] = [
    ['CHAIN_EXPIRED', 'an issuing CA that expired', {}, { notAfter: NOW - 1000 }, /"CN=issuing".*expired/],
    ['CHAIN_EXPIRED', 'a root that expired', { notAfter: NOW - 1000 }, {}, /"CN=root".*expired/],
    ['CHAIN_NOT_YET_VALID', 'an issuing CA of tomorrow', {}, { notBefore: NOW + DAY / 2 }],
    ['NOT_A_CA', 'a leaf in front', {}, { ca: false }, /certificate is not a CA/],
    ['NOT_A_CA', 'a root that is none', { ca: false }, {}],
    ['PATH_TOO_LONG', 'a root that allows no intermediate', { pathLength: 0 }, {}],
    ['KEY_USAGE', 'an issuing CA that may only sign lists', {}, { keyUsage: x509.KeyUsageFlags.cRLSign }],
    ['KEY_USAGE', 'a root that may only sign data', { keyUsage: x509.KeyUsageFlags.digitalSignature }, {}],
    [
      'EXTENDED_KEY_USAGE',
      'a root limited to TLS',
      { usages: [serverAuth] },
      {},
      /do not allow code signing/,
    ],
    ['EXTENDED_KEY_USAGE', 'an issuing CA limited to TLS', {}, { usages: [serverAuth] }],
    ['EXTENDED_KEY_USAGE', 'any usage where codeSigning must be named', {}, { usages: ['2.5.29.37.0'] }],
    [
      'CRITICAL_EXTENSION',
      'an unknown critical extension',
      {},
      { extra: [new x509.Extension('1.2.3.4', true, new Uint8Array([5, 0]))] },
      /1\.2\.3\.4/,
    ],
    ['CHAIN_BROKEN', 'an issuer of another name', {}, { issuerName: 'somebody' }],
    ['CHAIN_BROKEN', 'a signature by SHA-1', {}, { hash: 'SHA-1' }],
  ];
  for (const [code, name, root, issuing, message] of flaws) {
    it(`refuses ${name}`, async () => {
      await expectRefusal(code, load(await chain(root, issuing)), message);
    });
  }

  it('demands the extended key usage of an intermediate, not of a lone root', async () => {
    const parent = await caNode({ name: 'root' });
    const issuing = await caNode({ name: 'issuing', parent });
    const wanted = /must have extended key usage code signing set to sign code signing certificates/;
    await expectRefusal('EXTENDED_KEY_USAGE', load([issuing, parent]), wanted);
  });

  it('refuses a signature that another key of the same name made', async () => {
    const [issuing] = await chain();
    const [, impostor] = await chain();
    if (issuing === undefined || impostor === undefined) throw new Error('no chain');
    await expectRefusal('CHAIN_BROKEN', load([issuing, impostor]), /signature was not made/);
  });

  it('refuses certificates in the wrong order', async () => {
    const [issuing, root] = await chain();
    if (issuing === undefined || root === undefined) throw new Error('no chain');
    await expectRefusal('CHAIN_BROKEN', load([root, issuing], root.signer));
  });

  it('refuses a key that does not belong to the chain', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await expectRefusal(
      'KEY_MISMATCH',
      load(await chain(), localSigner(privateKey)),
      /public keys are not equal/,
    );
  });

  it('refuses a signer that claims the right key and signs with another', async () => {
    const nodes = await chain();
    const wrong = localSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    const publicKey = nodes[0]?.signer.publicKey ?? new Uint8Array(0);
    await expectRefusal('KEY_MISMATCH', load(nodes, { ...wrong, publicKey }));
  });

  it('refuses an Ed25519 key and says why', async () => {
    const keys = generateKeyPairSync('ed25519');
    const algorithm = { name: 'Ed25519' };
    const cert = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=ed',
      notBefore: new Date(NOW - DAY),
      notAfter: new Date(NOW + DAY),
      signingAlgorithm: algorithm,
      keys: {
        privateKey: keys.privateKey.toCryptoKey(algorithm, false, ['sign']) as CryptoKey,
        publicKey: keys.publicKey.toCryptoKey(algorithm, true, ['verify']) as CryptoKey,
      },
      extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
    });
    const chainPem = chainOf(new Uint8Array(cert.rawData));
    const loading = loadAuthority({ chainPem, signer: localSigner(keys.privateKey), clock: () => NOW });
    await expectRefusal('KEY_UNSUITABLE', loading, /Ed25519/);
  });

  it('refuses a file without certificates, with something else, damaged or endless', async () => {
    const [issuing] = await chain();
    if (issuing === undefined) throw new Error('no chain');
    const { signer } = issuing;
    const from = (chainPem: string): Promise<Authority> =>
      loadAuthority({ chainPem, signer, clock: () => NOW });
    const pem = chainOf(issuing.der);
    await expectRefusal('CHAIN_EMPTY', from(''), /must contain at least one certificate/);
    await expectRefusal('CHAIN_MALFORMED', from(pem.replaceAll('CERTIFICATE', 'PUBLIC KEY')));
    await expectRefusal('CHAIN_MALFORMED', from(chainOf(issuing.der.subarray(0, 99))));
    await expectRefusal('CHAIN_MALFORMED', from(pem.slice(0, 200)));
    await expectRefusal('CHAIN_MALFORMED', from(pem.repeat(11)));
  });

  it('prepares texts that need no more work for an answer', async () => {
    const { authority, intermediateDer, rootDer } = await testAuthority();
    const pems = [intermediateDer, rootDer].map((der) => chainOf(der));
    expect(authority.chainPems).to.deep.equal(pems);
    expect(authority.chainPem).to.equal(pems.join('').trimEnd());
    const parsed: unknown = JSON.parse(`["leaf"${authority.chainJsonTail}]`);
    expect(parsed).to.deep.equal(['leaf', ...pems.map((pem) => pem.trimEnd())]);
  });

  it('knows when every certificate of its chain is valid', async () => {
    const nodes = await chain({ notAfter: NOW + 5000 }, { notBefore: NOW - 7000, notAfter: NOW + 9000 });
    const seconds = (ms: number): number => Math.floor(ms / 1000) * 1000;
    expect((await load(nodes)).validity).to.deep.equal({
      notBefore: seconds(NOW - 7000),
      notAfter: seconds(NOW + 5000),
    });
  });
});
