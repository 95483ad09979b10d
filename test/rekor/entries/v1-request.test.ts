/** Requests of the first API with large envelopes: bills of materials. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { expect } from 'chai';
import { utf8 } from '../../../core/bytes.ts';
import { EntryError } from '../../../rekor/entries/entry-error.ts';
import { decodeV1Json, readV1Proposal, soughtV1Body } from '../../../rekor/entries/v1-proposal.ts';
import { LARGE_REQUEST, readV1Request, SoughtEntries } from '../../../rekor/entries/v1-request.ts';
import { billOfMaterials } from './support/bill-of-materials.ts';

/** The result, and how many turns of the event loop passed before it. */
async function turnsOf<T>(reading: Promise<T>): Promise<{ readonly result: T; readonly turns: number }> {
  let [turns, isDone] = [0, false];
  const turn = (): void => {
    if (isDone) return;
    turns++;
    setImmediate(turn);
  };
  setImmediate(turn);
  try {
    return { result: await reading, turns };
  } finally {
    isDone = true;
  }
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
    const { result, turns } = await turnsOf(readV1Request(request));
    expect(result).to.deep.equal(wanted);
    expect(result.namedDigests).to.deep.equal([`sha256:${'ab'.repeat(32)}`]);
    expect(turns, 'turns of the event loop').to.be.above(0);
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
    const { result, turns } = await turnsOf(new SoughtEntries(LARGE_REQUEST + 1).bodyOf(proposal));
    expect(result).to.deep.equal(await soughtV1Body(proposal));
    expect(turns).to.be.above(0);
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
