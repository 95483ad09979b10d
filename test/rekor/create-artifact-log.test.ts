import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readArtifactLogIdentity } from '../../rekor/log-identity.ts';
import { createArtifactLog } from '../../rekor/create-artifact-log.ts';
import { localSigner } from '../../signers/local-signer.ts';
import type { Signer } from '../../signers/signer.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { failureAs, failureOf } from '../support/failure.ts';
import { rekorKey } from './support/rekor-log.ts';

describe('rekor/create-artifact-log', () => {
  let parent: string;
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'mayfly-rekor-'));
  });
  afterEach(() => {
    rmSync(parent, { recursive: true, force: true });
  });

  const making = (api: 1 | 2, more: { host?: string; signer?: Signer } = {}) =>
    createArtifactLog({
      directory: join(parent, `v${api}`),
      api,
      host: 'ca.example.org',
      signer: localSigner(rekorKey(api)),
      clock: Date.now,
      ...more,
    });

  for (const api of [1, 2] as const) {
    it(`writes who the log is, and reads it again (API ${api})`, async () => {
      const made = await making(api);
      expect(await readArtifactLogIdentity(join(parent, `v${api}`))).to.deep.equal(made);
      expect(readdirSync(parent)).to.deep.equal([`v${api}`]);
    });

    it(`removes what a kill left of earlier tries, and nothing of another log (API ${api})`, async () => {
      const others = [`.v${api}-2-Ab3dE9`, `.v${api}-longer7`];
      for (const name of [...others, `.v${api}-Ab3dE9`]) {
        mkdirSync(join(parent, name));
        writeFileSync(join(parent, name, 'checkpoint'), 'of another tree');
      }
      await making(api);
      expect(readdirSync(parent).sort()).to.deep.equal([...others, `v${api}`].sort());
    });

    it(`leaves nothing when it fails on the way (API ${api})`, async () => {
      const signer = localSigner(rekorKey(api));
      let left = 1;
      const failing: Signer = {
        ...signer,
        // The first head is signed, and the one with the first entry never is: the log gives up at its end.
        sign: (data) => (left-- > 0 ? signer.sign(data) : Promise.reject(new Error('the key is gone'))),
      };
      await failureOf(making(api, { signer: failing }));
      expect(readdirSync(parent)).to.deep.equal([]);
    }).timeout(60_000);

    it(`overwrites no log and nothing else (API ${api})`, async () => {
      await making(api);
      expect((await failureAs(LogError, making(api))).code).to.equal('LOG_EXISTS');
      rmSync(join(parent, `v${api}`), { recursive: true });
      mkdirSync(join(parent, `v${api}`));
      writeFileSync(join(parent, `v${api}`, 'file'), '');
      expect((await failureAs(LogError, making(api))).code).to.equal('LOG_EXISTS');
      expect(readdirSync(parent)).to.deep.equal([`v${api}`]);
    });

    it(`takes a host alone, without port and path, as clients compare it (API ${api})`, async () => {
      for (const host of [
        'ca.example.org:8080',
        'ca.example.org/rekor',
        'CA.example.org',
        '',
        'a b',
        '[::1]',
        'a+b',
      ])
        expect((await failureAs(LogError, making(api, { host }))).code, host).to.equal('LOG_BAD_ORIGIN');
      expect(readdirSync(parent)).to.deep.equal([]);
    });

    it(`takes no key of another kind than its clients (API ${api})`, async () => {
      const signer = localSigner(rekorKey(api === 1 ? 2 : 1));
      expect((await failureAs(LogError, making(api, { signer }))).code).to.equal('LOG_WRONG_KEY');
    });
  }

  it('makes every log with another tree', async () => {
    const one = await making(1);
    rmSync(join(parent, 'v1'), { recursive: true });
    const two = await making(1);
    expect(one.treeId).not.to.equal(two.treeId);
  });
});
