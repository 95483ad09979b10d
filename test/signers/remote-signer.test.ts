import { createPublicKey, verify } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { SIGNATURE_ALGORITHMS } from '../../core/signature-algorithm.ts';
import { openSigner, type OpenKeyOptions } from '../../signers/open-signer.ts';
import type { KeyType } from '../../signers/key-types.ts';
import { SignerError } from '../../signers/signer-error.ts';
import type { Signer } from '../../signers/signer.ts';
import { failureAs, settledValue } from '../support/failure.ts';
import { KeyServer } from '../support/remote-keys.ts';

const MESSAGE = Buffer.from('what is signed');

describe('signers/remote-signer', () => {
  let server: KeyServer;
  const opened: Signer[] = [];
  before(async () => {
    const keys: Record<string, KeyType> = { p256: 'p256', p384: 'p384', rsa: 'rsa2048', ed25519: 'ed25519' };
    server = await KeyServer.with(keys);
  });
  beforeEach(() => server.does({}));
  afterEach(async () => {
    server.resume();
    for (const { remote } of opened.splice(0)) await remote?.close();
  });
  after(() => server.close());

  const open = async (
    name: string,
    form: Parameters<KeyServer['backends']>[0] = {},
    options: OpenKeyOptions = {},
  ): Promise<Signer> => {
    const limits = { timeoutMs: 15_000, firstProbeMs: 20, ...options };
    const signer = await openSigner(`openbao://${name}`, { backends: server.backends(form), ...limits });
    opened.push(signer);
    return signer;
  };
  const isGood = ({ publicKey, algorithm }: Signer, signature: Uint8Array, message = MESSAGE): boolean => {
    const { hash = null } = SIGNATURE_ALGORITHMS[algorithm];
    const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
    return verify(hash, message, key, signature);
  };
  const denial = (signer: Signer): Promise<SignerError> => failureAs(SignerError, signer.sign(MESSAGE));
  /** Once it is no longer in trouble. */
  const recovered = async ({ remote }: Signer): Promise<void> => {
    while (remote?.refusal() !== undefined) await delay(5);
  };

  for (const [name, ecdsaForm] of [
    ['p256', 'der'],
    ['p256', 'p1363'],
    ['p384', 'p1363'],
    ['rsa', 'der'],
    ['ed25519', 'p1363'],
  ] as const)
    it(`makes signatures in the form of certificates: ${name}, ${ecdsaForm}`, async () => {
      await server.does({ raw: ecdsaForm === 'p1363' });
      const signer = await open(name, { ecdsaForm });
      expect(isGood(signer, await signer.sign(MESSAGE))).to.equal(true);
      expect(signer.remote).to.include({ where: `openbao://${name}`, version: '1' });
      expect(signer.remote?.counts().outcomes).to.deep.equal(new Map([['signed', 1]]));
    });

  it('signs many in calls of as many as the backend takes, in their order', async () => {
    const signer = await open('p256', { batches: true, mostAtOnce: 3 });
    const all = Array.from({ length: 7 }, (_, i) => Buffer.from(`message ${i}`));
    const before = await server.asked();
    const signatures = ((await signer.signAll?.(all)) ?? []).map(settledValue);
    expect(signatures).to.have.length(7);
    for (const [i, signature] of signatures.entries())
      expect(isGood(signer, signature, all[i])).to.equal(true);
    expect((await server.asked()) - before).to.equal(3);
    expect((await open('p256')).signAll).to.equal(undefined);
  });

  for (const [what, misbehaviour] of [
    ['another key', { sibling: true }],
    ['another form', { raw: true }],
    ['a part of a signature', { cut: 40 }],
    ['nothing', { cut: 0 }],
  ] as const)
    it(`lets nothing out that does not verify: ${what}`, async () => {
      const signer = await open('p256');
      await server.does(misbehaviour);
      expect(await denial(signer)).to.include({ code: 'SIGNER_WRONG_KEY' });
      // No request waits in vain, and a probe finds out when it is over.
      expect(signer.remote?.refusal()).to.include({ code: 'SIGNER_WRONG_KEY' });
      expect(signer.remote?.failure()).to.include({ code: 'SIGNER_WRONG_KEY' });
      await server.does({});
      await recovered(signer);
      expect(isGood(signer, await signer.sign(MESSAGE))).to.equal(true);
      expect(signer.remote?.failure()).to.equal(undefined);
    });

  it('lets nothing of a batch out of which one part is missing', async () => {
    const signer = await open('p256', { batches: true });
    await server.does({ forgets: 1 });
    const all = [MESSAGE, MESSAGE, MESSAGE];
    const failure = await failureAs(
      SignerError,
      signer.signAll?.(all).then((made) => made.map(settledValue)),
    );
    expect(failure.code).to.equal('SIGNER_WRONG_KEY');
  });

  it('keeps what was signed in one call when another fails', async () => {
    const signer = await open('p256', { batches: true, mostAtOnce: 2 });
    await server.does({ failure: 'SIGNER_KEY_GONE', times: 1 });
    const all = Array.from({ length: 6 }, () => MESSAGE);
    const made = (await signer.signAll?.(all)) ?? [];
    expect(made.filter(({ status }) => status === 'fulfilled')).to.have.length(4);
    expect(made.filter(({ status }) => status === 'rejected')).to.have.length(2);
    await recovered(signer);
  });

  for (const failure of ['SIGNER_UNAVAILABLE', 'SIGNER_THROTTLED'] as const)
    it(`asks again for what passes: ${failure}`, async () => {
      const signer = await open('p256');
      await server.does({ failure, times: 2 });
      expect(isGood(signer, await signer.sign(MESSAGE))).to.equal(true);
      expect(signer.remote?.counts().outcomes).to.deep.equal(
        new Map([
          [failure, 2],
          ['signed', 1],
        ]),
      );
    });

  for (const failure of ['SIGNER_DENIED', 'SIGNER_KEY_GONE', 'SIGNER_REFUSED'] as const)
    it(`tries once what does not pass by itself, and refuses from then on: ${failure}`, async () => {
      const signer = await open('p256', {}, { firstProbeMs: 60_000 });
      const before = await server.asked();
      await server.does({ failure });
      expect(await denial(signer)).to.include({ code: failure });
      const refusal = await denial(signer);
      expect(refusal).to.include({ code: failure });
      expect(Number(refusal.metadata['retryAfter'])).to.be.greaterThan(50);
      expect((await server.asked()) - before).to.equal(1);
    });

  it('waits as long as the backend says, and no longer than its caller', async () => {
    const signer = await open('p256', {}, { timeoutMs: 300 });
    const before = await server.asked();
    await server.does({ failure: 'SIGNER_THROTTLED', retryAfterMs: 60_000 });
    expect(await denial(signer)).to.include({ code: 'SIGNER_THROTTLED' });
    expect((await server.asked()) - before).to.equal(1);
  });

  for (const [failure, most] of [
    ['SIGNER_UNAVAILABLE', 3],
    ['SIGNER_KEY_GONE', 3],
    ['SIGNER_THROTTLED', 38],
  ] as const)
    it(`believes no wait of an hour, and sends nobody away for so long: ${failure}`, async () => {
      const signer = await open('p256', {}, { timeoutMs: 300 });
      await server.does({ failure, retryAfterMs: 3_600_000 });
      while (signer.remote?.refusal() === undefined)
        expect(Number((await denial(signer)).metadata['retryAfter'])).to.be.at.most(30);
      expect(Number(signer.remote.refusal()?.metadata['retryAfter'])).to.be.at.most(most);
    });

  it('asks for fresh credentials once, for all who were denied together', async () => {
    let renewed = 0;
    const renew = async (): Promise<void> => {
      renewed++;
      await server.does({});
    };
    const signer = await open('p256', { renew });
    await server.does({ failure: 'SIGNER_DENIED' });
    const signatures = await Promise.all([signer.sign(MESSAGE), signer.sign(MESSAGE), signer.sign(MESSAGE)]);
    expect(signatures.every((signature) => isGood(signer, signature))).to.equal(true);
    expect(renewed).to.equal(1);
    const other = await open('p256', { renew: () => Promise.reject(new Error('no')) });
    await server.does({ failure: 'SIGNER_DENIED' });
    expect(await denial(other)).to.include({ code: 'SIGNER_DENIED' });
    expect(other.remote?.refusal()).to.include({ code: 'SIGNER_DENIED' });
  });

  it('lets its callers go when nothing is answered, refuses the next, and comes back by itself', async () => {
    const signer = await open('p256', {}, { timeoutMs: 150 });
    server.pause();
    const failures = await Promise.all(Array.from({ length: 5 }, () => denial(signer)));
    expect(failures.map(({ code }) => code)).to.deep.equal(Array(5).fill('SIGNER_TIMEOUT'));
    // Each try ends with its caller.
    while (signer.remote?.refusal() === undefined) await delay(1);
    const before = signer.remote.counts().count;
    expect(await denial(signer)).to.include({ code: 'SIGNER_TIMEOUT' });
    expect(signer.remote.counts().inFlight + signer.remote.counts().count).to.be.within(before, before + 1);
    server.resume();
    await recovered(signer);
  });

  it('comes back by itself when what holds the key was killed and started again', async () => {
    const signer = await open('p256');
    await server.kill();
    while (signer.remote?.refusal() === undefined)
      expect(await denial(signer)).to.include({ code: 'SIGNER_UNAVAILABLE' });
    await server.start();
    await recovered(signer);
    expect(isGood(signer, await signer.sign(MESSAGE))).to.equal(true);
  });

  it('asks for no more at once than it may', async () => {
    const signer = await open('p256', {}, { maxInFlight: 2 });
    await server.does({ slowMs: 5 });
    await Promise.all(Array.from({ length: 20 }, () => signer.sign(MESSAGE)));
    expect(await server.most()).to.equal(2);
  });

  it('says so to those who waited for their turn in vain, which is no sign of trouble', async () => {
    const signer = await open('p256', {}, { maxInFlight: 1, timeoutMs: 150 });
    server.pause();
    const [first, second] = await Promise.all([denial(signer), denial(signer)]);
    expect(first.code).to.equal('SIGNER_TIMEOUT');
    expect(second.code).to.equal('SIGNER_BUSY');
    expect(signer.remote?.counts().outcomes.has('SIGNER_BUSY')).to.equal(false);
  });

  it('says what is wrong with a key that cannot be opened, with its reference', async () => {
    const missing = await failureAs(SignerError, open('unknown'));
    expect(missing).to.include({ code: 'SIGNER_KEY_GONE' });
    expect(missing.message).to.match(/^openbao:\/\/unknown: /);
    await server.does({ silent: true });
    const silent = await failureAs(SignerError, open('p256', {}, { openMs: 50 }));
    expect(silent).to.include({ code: 'SIGNER_TIMEOUT' });
    expect(silent.message).to.match(/^openbao:\/\/p256: /);
  });

  it('takes no key whose public half does not fit its signatures', async () => {
    const backend = server.backend();
    const backends = {
      transit: () =>
        Promise.resolve({
          open: async (...words: Parameters<typeof backend.open>) => ({
            ...(await backend.open(...words)),
            algorithm: 'ed25519' as const,
          }),
        }),
    };
    const failure = await failureAs(SignerError, openSigner('openbao://p256', { backends }));
    expect(failure.code).to.equal('SIGNER_WRONG_KEY');
  });
});
