/** A CA and a key for timestamps are switched to and given up; a process that is killed after any step leaves what the same command finishes. */
import { expect } from 'chai';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renew as renewAuthority } from '../../cli/ca/ca-renew.ts';
import { sign } from '../../cli/ca/ca-sign.ts';
import { renew as renewTimestamps } from '../../cli/tsa/tsa-renew.ts';
import { parseCertificate } from '../../core/certificate.ts';
import { decodePem } from '../../core/pem.ts';
import { dataPaths, type DataPaths } from '../../instance/data-paths.ts';
import { OpenedKeys, type KeyPlace } from '../../instance/opened-keys.ts';
import { discardSuccessor } from '../../instance/discard-successor.ts';
import { NOTHING_LEFT } from '../../instance/discarded.ts';
import { RotationError } from '../../instance/rotation-error.ts';
import { authoritySuccession, timestampSuccession, type Succession } from '../../instance/succession.ts';
import { signerOfChain } from '../../service/open-authority.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { readTrust } from '../../trust/ledger.ts';
import { failureAs } from '../support/failure.ts';
import { copiesAfterSteps } from '../support/file-steps.ts';
import { listener, RenewableInstance } from '../trust/support/renewable-instance.ts';

/** Of a key and its successor, in files. */
const placesOf = (key: string, nextKey: string): readonly [KeyPlace, KeyPlace] => [
  { setting: 'ca', reference: key },
  { setting: 'ca-next', reference: nextKey },
];

/** The two kinds, each with its commands. */
const KINDS: readonly {
  readonly what: string;
  readonly of: (paths: DataPaths) => Succession;
  readonly stage: (ca: RenewableInstance, data: string) => Promise<void>;
  readonly switchOver: (data: string) => Promise<unknown>;
}[] = [
  {
    what: 'a CA',
    of: (paths) => authoritySuccession(paths, undefined),
    stage: async (ca, data) => {
      const [csr, chain, root] = [ca.path('request.pem'), ca.path('chain.pem'), ca.path('root.pem')];
      for (const file of [csr, chain]) await rm(file, { force: true });
      const pems = await readFile(join(data, 'ca', 'chain.pem'), 'utf8');
      await writeFile(root, pems.slice(pems.lastIndexOf('-----BEGIN')));
      await renewAuthority({ data, csr }, listener());
      await sign({ root, rootKey: ca.path('root.key.pem'), out: chain }, listener(), [csr]);
      await renewAuthority({ data, stage: chain }, listener());
    },
    switchOver: (data) => renewAuthority({ data, switch: true }, listener()),
  },
  {
    what: 'a key for timestamps',
    of: (paths) => timestampSuccession(paths, undefined),
    stage: async (ca, data) => {
      await renewTimestamps({ data, stage: true, rootKey: ca.path('root.key.pem') }, listener());
    },
    switchOver: (data) => renewTimestamps({ data, switch: true }, listener()),
  },
];

for (const { what, of, stage, switchOver } of KINDS)
  describe(`instance: the successor of ${what}`, function () {
    this.timeout(120_000);
    let ca: RenewableInstance;
    let succession: Succession;
    beforeEach(async () => {
      ca = await RenewableInstance.make();
      succession = of(ca.paths);
    });
    afterEach(() => ca.remove());

    const copiesOf = (work: () => Promise<unknown>): Promise<[step: string, copy: string][]> =>
      copiesAfterSteps(ca.data, (count) => ca.path(`copy-${count}`), work);

    /** The certificate in force. What `serve` needs of it is there: a key that belongs to it. */
    async function inForce({ chain, key, nextKey }: Succession): Promise<Uint8Array> {
      const pem = await readFile(chain, 'utf8');
      const { publicKey } = await signerOfChain(pem, placesOf(key, nextKey), new OpenedKeys({}));
      const der = decodePem(pem)[0]?.bytes ?? new Uint8Array();
      expect(parseCertificate(der).spki).to.deep.equal(publicKey);
      return der;
    }

    const isOpen = async ({ paths, list }: Succession, der: Uint8Array | undefined): Promise<boolean> => {
      const { root } = await readTrust(paths);
      const entry = root[list].find(
        ({ chain: [first] }) => Buffer.compare(first ?? Buffer.of(), der ?? Buffer.of()) === 0,
      );
      return entry !== undefined && entry.window.end === undefined;
    };

    it('is staged by the same command wherever that was killed, also while it wrote the key', async () => {
      for (const [step, copy] of await copiesOf(() => stage(ca, ca.data))) {
        const left = of(dataPaths(copy));
        // A request is not written twice; what is staged with the root key at hand is.
        if (left.list === 'timestampAuthorities' || (await isMissing(left.nextChain))) await stage(ca, copy);
        expect(
          await isOpen(left, decodePem(await readFile(left.nextChain, 'utf8'))[0]?.bytes),
          step,
        ).to.equal(true);
        const pem = await readFile(left.nextChain, 'utf8');
        const { publicKey } = await signerOfChain(pem, placesOf(left.key, left.nextKey), new OpenedKeys({}));
        const der = decodePem(pem)[0]?.bytes ?? new Uint8Array();
        expect(parseCertificate(der).spki, step).to.deep.equal(publicKey);
        await rm(copy, { recursive: true });
      }
    });

    it('is in force, or not yet, wherever the switch was killed, and the same command finishes', async () => {
      await stage(ca, ca.data);
      const former = await inForce(succession);
      const next = decodePem(await readFile(succession.nextChain, 'utf8'))[0]?.bytes;
      for (const [step, copy] of await copiesOf(() => switchOver(ca.data))) {
        const left = of(dataPaths(copy));
        expect([former, next], step).to.deep.include(await inForce(left));
        for (const der of [former, next]) expect(await isOpen(left, der), step).to.equal(true);
        // The last of the copies are finished.
        await switchOver(copy);
        expect(await inForce({ ...left, nextKey: left.key }), step).to.deep.equal(next);
        for (const file of [left.nextChain, left.nextKey]) expect(await isMissing(file), step).to.equal(true);
        for (const der of [former, next]) expect(await isOpen(left, der), step).to.equal(true);
        expect(await discardSuccessor(left), step).to.deep.equal(NOTHING_LEFT);
        await rm(copy, { recursive: true });
      }
    });

    it('is finished where the key alone waits', async () => {
      await stage(ca, ca.data);
      const key = await readFile(succession.nextKey);
      const former = await readFile(succession.key);
      await switchOver(ca.data);
      await writeFile(succession.key, former);
      await writeFile(succession.nextKey, key, { mode: 0o600 });
      await failureAs(RotationError, discardSuccessor(succession));
      await switchOver(ca.data);
      expect(await readFile(succession.key)).to.deep.equal(key);
      expect(await isMissing(succession.nextKey)).to.equal(true);
      await switchOver(ca.data);
      expect(await readFile(succession.key)).to.deep.equal(key);
    });

    it('is not switched to where none was ever staged', async () => {
      await failureAs(RotationError, switchOver(ca.data));
      expect(await discardSuccessor(succession)).to.deep.equal(NOTHING_LEFT);
    });

    it('is believed in nothing wherever its giving up was killed, and another one follows', async () => {
      await stage(ca, ca.data);
      const current = await inForce(succession);
      const next = decodePem(await readFile(succession.nextChain, 'utf8'))[0]?.bytes;
      let isEnded = false;
      for (const [step, copy] of await copiesOf(() => discardSuccessor(succession))) {
        const left = of(dataPaths(copy));
        const isOpenYet = await isOpen(left, next);
        expect(isEnded && isOpenYet, step).to.equal(false);
        isEnded ||= !isOpenYet;
        if (isEnded && !(await isMissing(left.nextChain))) await failureAs(RotationError, switchOver(copy));
        expect(await inForce(left), step).to.deep.equal(current);
        const files = await Promise.all([left.nextChain, left.nextKey].map(isMissing));
        if (isOpenYet) expect(files, step).to.deep.equal([false, false]);
        await discardSuccessor(left);
        for (const file of [left.nextChain, left.nextKey]) expect(await isMissing(file), step).to.equal(true);
        expect([await isOpen(left, next), await isOpen(left, current)], step).to.deep.equal([false, true]);
        await stage(ca, copy);
        await switchOver(copy);
        expect(await isOpen(left, await inForce(left)), step).to.equal(true);
        await rm(copy, { recursive: true });
      }
      expect(isEnded).to.equal(true);
    });
  });
