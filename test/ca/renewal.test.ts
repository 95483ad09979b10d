import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import { AuthorityError } from '../../ca/authority-error.ts';
import { loadAuthority } from '../../ca/authority.ts';
import { CA_KEY_TYPES } from '../../ca/certify.ts';
import { CeremonyError } from '../../ca/ceremony-error.ts';
import { intermediateRequest, nextCommonName, signIntermediate } from '../../ca/renewal.ts';
import { generateKey } from '../../signers/key-types.ts';
import { localSigner } from '../../signers/local-signer.ts';
import { decodePem, encodePem } from '../../core/pem.ts';
import { chainOf, NOW, testAuthority } from './support/authority.ts';
import { hasOpenssl, openssl } from './support/openssl.ts';
import { skipUnless } from '../support/skipped.ts';
import { failureOf } from '../support/failure.ts';

const clock = (): number => NOW;
const DAY = 24 * 3600 * 1000;

describe('ca/renewal', () => {
  for (const rootType of ['p256', 'p384', 'rsa3072'])
    for (const keyType of rootType === 'p256' ? CA_KEY_TYPES : (['p256'] as const))
      it(`makes an intermediate that the service loads: ${keyType} below ${rootType}`, async function () {
        this.timeout(60_000);
        const ca = await testAuthority(rootType);
        const key = await generateKey(keyType);
        const request = await intermediateRequest(
          key,
          ca.intermediateDer,
          nextCommonName(ca.intermediateDer),
        );
        const root = chainOf(ca.intermediateDer, ca.rootDer);
        const chainPem = await signIntermediate({ request, root, rootKey: ca.rootKey, clock });
        const authority = await loadAuthority({ chainPem, signer: localSigner(key), clock });
        expect(authority.chain.at(-1)).to.deep.equal(ca.rootDer);
        const made = new X509Certificate(authority.chain[0] ?? new Uint8Array());
        expect(made.subject).to.equal('O=Example Org\nCN=Example CA intermediate 2');
        expect(made.verify(createPublicKey(ca.rootKey))).to.equal(true);
        expect(nextCommonName(authority.chain[0] ?? new Uint8Array())).to.equal('Example CA intermediate 3');
      });

  it('signs for three years, and never past the root', async () => {
    const ca = await testAuthority();
    const request = await intermediateRequest(await generateKey('p256'), ca.intermediateDer, 'next');
    const endAt = async (now: number): Promise<number> => {
      const chain = await signIntermediate({
        request,
        root: chainOf(ca.rootDer),
        rootKey: ca.rootKey,
        clock: () => now,
      });
      return Date.parse(new X509Certificate(chain).validTo);
    };
    expect((await endAt(NOW)) - NOW).to.be.within(1095 * DAY, 1096 * DAY);
    const end = Date.parse(new X509Certificate(ca.rootDer).validTo);
    expect(await endAt(end - 30 * DAY)).to.equal(end);
    expect(await failureOf(endAt(end + DAY))).to.be.instanceOf(AuthorityError);
  });

  it("refuses requests that it should not sign, and roots that are not the key's", async () => {
    const ca = await testAuthority();
    const root = chainOf(ca.rootDer);
    const good = await intermediateRequest(await generateKey('p256'), ca.intermediateDer, 'next');
    const bytes = Buffer.from(decodePem(good)[0]?.bytes ?? []);
    const forged = Buffer.from(bytes);
    forged[bytes.length - 1] = (forged[bytes.length - 1] ?? 0) ^ 1;
    const other = await testAuthority();
    for (const [request, signing, says] of [
      [encodePem('CERTIFICATE REQUEST', forged), { root, rootKey: ca.rootKey }, /its signature is wrong/],
      [
        encodePem('CERTIFICATE REQUEST', bytes.subarray(0, 60)),
        { root, rootKey: ca.rootKey },
        /cannot be read/,
      ],
      [root, { root, rootKey: ca.rootKey }, /no PEM block of type CERTIFICATE REQUEST/],
      ['', { root, rootKey: ca.rootKey }, /no PEM block/],
      [good, { root, rootKey: other.rootKey }, /does not belong to the root/],
      [good, { root: good, rootKey: ca.rootKey }, /cannot be read|does not belong/],
    ] as const) {
      const error = await failureOf(signIntermediate({ request, ...signing, clock }));
      expect(error).to.satisfy((e: unknown) => e instanceof CeremonyError || e instanceof AuthorityError);
      expect((error as Error).message).to.match(says);
    }
  });

  it('refuses keys that no CA should have', async function () {
    skipUnless(this, hasOpenssl(), 'there is no openssl');
    const ca = await testAuthority();
    for (const { privateKey } of [
      generateKeyPairSync('ed25519'),
      generateKeyPairSync('rsa', { modulusLength: 1024 }),
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
      generateKeyPairSync('ec', { namedCurve: 'P-521' }),
    ]) {
      const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      const words = ['req', '-new', '-key', 'key.pem', '-subj', '/CN=x', '-out', 'request.pem'];
      const request = openssl({ 'key.pem': key }, [words], ({ read }) =>
        Buffer.from(read('request.pem')).toString(),
      );
      const error = await failureOf(
        signIntermediate({ request, root: chainOf(ca.rootDer), rootKey: ca.rootKey, clock }),
      );
      expect(error, createPrivateKey(key).asymmetricKeyType).to.be.instanceOf(CeremonyError);
    }
  });

  it('asks for no name that is empty or too long', async () => {
    const ca = await testAuthority();
    const key = await generateKey('p256');
    for (const name of ['', ' ', 'x'.repeat(65)])
      expect(await failureOf(intermediateRequest(key, ca.intermediateDer, name))).to.be.instanceOf(
        CeremonyError,
      );
    const odd = await intermediateRequest(key, ca.intermediateDer, 'a "b", c+d=#e');
    const chain = await signIntermediate({
      request: odd,
      root: chainOf(ca.rootDer),
      rootKey: ca.rootKey,
      clock,
    });
    expect(new X509Certificate(chain).toLegacyObject().subject.CN).to.equal('a "b", c+d=#e');
  });
});
