import { expect } from 'chai';
import { generateKeyPairSync, generatePrimeSync, getDiffieHellman } from 'node:crypto';
import { ModulusJudge } from '../../../oidc/keys/modulus-judge.ts';
import { opennessOf } from '../../../oidc/keys/open-modulus.ts';

const PRIMES = ['modp14', 'modp15', 'modp16'].map((name) => getDiffieHellman(name).getPrime());

function modulusOf(bits: number): Buffer {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  return Buffer.from(publicKey.export({ format: 'jwk' }).n ?? '', 'base64url');
}

/** Milliseconds of the fastest of a few calls. */
function fastest(work: () => void): number {
  return Math.min(
    ...Array.from({ length: 3 }, () => {
      const began = performance.now();
      work();
      return performance.now() - began;
    }),
  );
}

describe('oidc: moduli that anybody can take apart', () => {
  const usual = [2048, 2050, 3072, 4096].map(modulusOf);
  const [small = Buffer.alloc(0)] = usual;

  it('are found whatever their length, and no other', () => {
    for (const modulus of usual) expect(opennessOf(modulus), `${modulus.length}`).to.equal(undefined);
    for (const prime of [...PRIMES, Buffer.from(generatePrimeSync(2047))])
      expect(opennessOf(prime)).to.equal('has a prime number for its modulus');
    const product = BigInt(`0x${small.toString('hex')}`) * 65_521n;
    expect(opennessOf(Buffer.from(product.toString(16).padStart(516, '0'), 'hex'))).to.contain('65521');
  });

  it('take no longer than others when they are prime', () => {
    const [, , long = small] = PRIMES;
    const [product, prime] = [usual[3] ?? small, long].map((modulus) => fastest(() => opennessOf(modulus)));
    // The runtime's own test takes 128 times as long.
    expect((prime ?? 0) / (product ?? 1)).to.be.below(10);
  });

  it('are judged once each, those of ordinary length first, and hold no process up', async () => {
    const judge = new ModulusJudge();
    const order: number[] = [];
    const squares = usual.slice(2).map((modulus) => {
      const n = BigInt(`0x${modulus.toString('hex')}`);
      return Buffer.from((n * n).toString(16), 'hex');
    });
    const answers = [...squares, ...usual].map((modulus, i) =>
      judge.weaknessOf(modulus).then((weakness) => {
        order.push(i);
        return weakness;
      }),
    );
    expect(judge.weaknessOf(small)).to.equal(judge.weaknessOf(Buffer.from(small)));
    expect(await Promise.all(answers)).to.deep.equal(answers.map(() => undefined));
    // The first was begun before there were others.
    expect(order).to.deep.equal([0, 2, 3, 4, 5, 1]);
    expect(await judge.weaknessOf(PRIMES[0] ?? small)).to.equal('has a prime number for its modulus');
  });
});
