/** Requests of the first API with large envelopes: bills of materials. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { expect } from 'chai';
import { utf8 } from '../../../core/bytes.ts';
import { EntryError } from '../../../rekor/entries/entry-error.ts';
import { decodeV1Json, readV1Proposal, soughtV1Body } from '../../../rekor/entries/v1-proposal.ts';
import { LARGE_REQUEST, readV1Request, SoughtEntries } from '../../../rekor/entries/v1-request.ts';
import { billOfMaterials } from './support/bill-of-materials.ts';

/** The result, and whether it came in a later turn of the event loop: what is read in this thread is there before. */
async function readLater<T>(reading: Promise<T>): Promise<{ readonly result: T; readonly isLater: boolean }> {
  let isDone = false;
  const result = reading.finally(() => {
    isDone = true;
  });
  for (let i = 0; i < 1000; i++) await Promise.resolve();
  const isLater = !isDone;
  return { result: await result, isLater };
}

const refusalOf = (reading: Promise<unknown>): Promise<EntryError> =>
  reading.then(
    () => expect.fail('it was read'),
    (error: unknown) => error as EntryError,
  );

describe('rekor/entries/v1-request', () => {
  it('reads a bill of materials of mebibytes as any other request, while the event loop goes on', async () => {
    const request = utf8(JSON.stringify(billOfMaterials(2_000_000)));
    const wanted = await readV1Proposal(decodeV1Json(request));
    const { result, isLater } = await readLater(readV1Request(request));
    expect(result).to.deep.equal(wanted);
    expect(result.namedDigests).to.deep.equal([`sha256:${'ab'.repeat(32)}`]);
    expect(isLater).to.equal(true);
  });

  it('asks whose it is', async () => {
    const request = utf8(JSON.stringify(billOfMaterials(100_000)));
    const admit = (): never => {
      throw new EntryError('ENTRY_NOT_ADMITTED', 'by another');
    };
    expect((await refusalOf(readV1Request(request, admit))).code).to.equal('ENTRY_NOT_ADMITTED');
  });

  it('finds it by what was sent', async () => {
    const proposal = billOfMaterials(100_000);
    const { result, isLater } = await readLater(new SoughtEntries(LARGE_REQUEST + 1).bodyOf(proposal));
    expect(result).to.deep.equal(await soughtV1Body(proposal));
    expect(isLater).to.equal(true);
  });

  it('finds one by checks of signatures in the thread, and counts them', async () => {
    const keys = [0, 1].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }));
    const payload = Buffer.from('{}');
    const signed = Buffer.from('DSSEv1 1 x 2 {}');
    const envelope = JSON.stringify({
      payloadType: 'x',
      payload: payload.toString('base64'),
      signatures: keys.map(({ privateKey }) => ({
        sig: sign('sha256', signed, privateKey).toString('base64'),
      })),
    });
    const verifiers = keys
      .toReversed()
      .map(({ publicKey }) =>
        Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })).toString('base64'),
      );
    const proposal = {
      apiVersion: '0.0.1',
      kind: 'dsse',
      spec: { proposedContent: { envelope, verifiers } },
    };
    const sought = new SoughtEntries(1000);
    const { result, isLater } = await readLater(sought.bodyOf(proposal));
    expect(result).to.deep.equal(await soughtV1Body(proposal));
    expect(isLater).to.equal(true);
    // The key tries the signature at its place, and then the other.
    expect(sought.checks).to.equal(3);
  });

  it('refuses a large request with the same words, and goes on to read the next one', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const other = sign('sha256', Buffer.from('something else'), privateKey);
    const forged = utf8(JSON.stringify(billOfMaterials(100_000, { publicKey, signature: other })));
    const cut = utf8(JSON.stringify(billOfMaterials(100_000)).slice(0, -1));
    const good = utf8(JSON.stringify(billOfMaterials(100_000)));
    const all = [
      refusalOf(readV1Request(forged)),
      refusalOf(readV1Request(cut)),
      readV1Request(good),
    ] as const;
    const [first, second, third] = await Promise.all(all);
    for (const [thrown, request] of [
      [first, forged],
      [second, cut],
    ] as const) {
      // prettier-ignore
      const { code, message, hint, stock } = await refusalOf(
        (async () => readV1Proposal(decodeV1Json(request)))(),
      );
      expect(thrown).to.include({ code, message, hint });
      expect(thrown.stock).to.deep.equal(stock);
    }
    expect(third.kind).to.equal('dsse');
  });
});
