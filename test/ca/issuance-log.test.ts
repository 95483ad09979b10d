/** Issuing into the real log on a real disk. */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { IssuedDecision } from '../../ca/decision.ts';
import { Issuance } from '../../ca/issuance.ts';
import type { SigningRequest } from '../../ca/signing-request.ts';
import { generateKey } from '../../signers/key-types.ts';
import { localSigner } from '../../signers/local-signer.ts';
import { findExtension, parseCertificate } from '../../core/certificate.ts';
import { encodeLeaf } from '../../ct-log/format/leaf.ts';
import { verifyInclusion } from '../../tlog/format/merkle-verify.ts';
import { parseSct, parseSctList, SCT_LIST_OID } from '../../ct-log/format/sct.ts';
import { createCtLog } from '../../ct-log/create-log.ts';
import { openCtLog, type CtLog } from '../../ct-log/ct-log.ts';
import { loggedTbs } from '../../ct-log/logged-tbs.ts';
import { pemOf, testAuthority, type TestAuthority } from './support/authority.ts';
import { csrOf } from './support/csr.ts';
import { issued, refused } from './support/issuing.ts';
import { KEY_TYPES, proofOf, testKey, type TestKey } from './support/keys.ts';
import { openPolicy } from './support/open-policy.ts';
import { workflowPrincipal } from './support/principal.ts';

const sha256 = (data: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(data).digest());

const byProof = (key: TestKey): SigningRequest => {
  const proof = proofOf(key, workflowPrincipal().challenge);
  return { token: 'token', key: { kind: 'publicKey', content: pemOf(key.publicKey), proof } };
};
const byRequest = (key: TestKey): SigningRequest => ({
  token: 'token',
  key: { kind: 'csr', pem: csrOf(key) },
});

describe('ca/issuance into the real log', () => {
  let directory: string;
  let ca: TestAuthority;
  let log: CtLog;
  let issuance: Issuance;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-issuance-'));
    const clock = Date.now;
    ca = await testAuthority('p256', clock());
    const [treeHead, checkpoint] = (await Promise.all([generateKey('p256'), generateKey('ed25519')])).map(
      localSigner,
    );
    if (treeHead === undefined || checkpoint === undefined) throw new Error('no keys');
    const place = join(directory, '2026');
    await createCtLog({
      directory: place,
      origin: 'localhost/log/2026',
      sctExtensions: 'leaf_index',
      ecdsaPublicKey: treeHead.publicKey,
      ed25519PublicKey: checkpoint.publicKey.slice(-32),
      clock,
    });
    log = await openCtLog({
      directory: place,
      signers: { treeHead, checkpoint },
      chain: ca.authority.chain,
      clock,
    });
    issuance = new Issuance({
      policy: { current: openPolicy(workflowPrincipal()) },
      authority: ca.authority,
      log,
      clock,
    });
  });

  after(async () => {
    await log.close();
    await rm(directory, { recursive: true, force: true });
  });

  function checkSct({ certificate }: IssuedDecision): void {
    const cert = parseCertificate(certificate);
    const list = parseSctList(findExtension(cert, SCT_LIST_OID)?.value ?? new Uint8Array(0));
    expect(list).to.have.length(1);
    const sct = parseSct(list[0] ?? new Uint8Array(0));
    expect(sct.logId).to.deep.equal(log.identity.logId);
    expect(sct.timestamp).to.be.within(cert.notBefore, cert.notAfter);
    const issuerKeyHash = sha256(parseCertificate(ca.intermediateDer).spki);
    const entry = { type: 'precert', issuerKeyHash, tbs: loggedTbs(certificate) } as const;
    const signed = encodeLeaf({ entry, timestamp: sct.timestamp, extensions: sct.extensions });
    const key = createPublicKey({ key: Buffer.from(log.identity.publicKey), format: 'der', type: 'spki' });
    expect(verify('sha256', signed, key, sct.signature)).to.equal(true);
  }

  for (const [way, request] of [['proof', byProof] as const, ['certificate request', byRequest] as const]) {
    it(`issues for every kind of key at once, by ${way}, each with an SCT that verifies`, async () => {
      const all = await Promise.all(KEY_TYPES.map((type) => issued(issuance, request(testKey(type)))));
      expect(new Set(all.map(({ serial }) => serial)).size).to.equal(KEY_TYPES.length);
      for (const one of all) checkSct(one);
    });
  }

  it('leaves an entry whose precertificate belongs to the certificate, under a signed head', async () => {
    const { certificate, leafIndex: index = -1 } = await issued(issuance, byProof(testKey('P-256')));
    const { tree_size: size, sha256_root_hash: root } = log.reader.getSth();
    const [entry] = (await log.reader.getEntries(index, index)).entries;
    const leaf = Buffer.from(entry?.leaf_input ?? '', 'base64');
    expect(leaf.includes(Buffer.from(loggedTbs(certificate)))).to.equal(true);
    const leafHash = sha256(Buffer.concat([Uint8Array.of(0), leaf]));
    const proof = await log.reader.getProofByHash(leafHash, size);
    expect(proof.leaf_index).to.equal(index);
    const path = proof.audit_path.map((hash) => new Uint8Array(Buffer.from(hash, 'base64')));
    const holds = verifyInclusion(
      sha256,
      { index, size, leafHash },
      path,
      new Uint8Array(Buffer.from(root, 'base64')),
    );
    expect(holds).to.equal(true);
  });

  it('issues no certificate once the log is closed', async () => {
    await log.close();
    expect((await refused(issuance, byProof(testKey('P-256')))).error)
      .to.be.instanceOf(Error)
      .with.property('name', 'LogError');
  });
});
