import { createHash, createPublicKey, verify, X509Certificate } from 'node:crypto';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { SignedData } from '@peculiar/asn1-cms';
import { TimeStampResp, TSTInfo } from '@peculiar/asn1-tsp';
import { expect } from 'chai';
import { AuthorityError } from '../../ca/authority-error.ts';
import { oid } from '../../core/der-writer.ts';
import { SIGSTORE_POLICY } from '../../tsa/format/object-identifiers.ts';
import { TimestampAuthority } from '../../tsa/timestamp-authority.ts';
import { TimestampError } from '../../tsa/timestamp-error.ts';
import { parseTimestampRequest } from '../../tsa/timestamp-request.ts';
import { rejectedResponse } from '../../tsa/token-template.ts';
import { chainOf } from '../ca/support/authority.ts';
import { failureAs } from '../support/failure.ts';
import {
  nonceOf,
  requestFor,
  testTimestampAuthority,
  timestampChain,
  trustedClock,
  WITH_CERTIFICATE,
} from './support/test-authority.ts';

const DATA = new TextEncoder().encode('a file');
const NOW = Date.UTC(2026, 10, 22, 10, 0, 0, 987);
const DAY = 86_400_000;

/** The answer as a library of the field reads it, and whether its bytes are DER. */
function taken(response: Uint8Array): { info: TSTInfo; signed: SignedData } {
  const answer = AsnConvert.parse(response, TimeStampResp);
  expect(answer.status.status).to.equal(0);
  const content = answer.timeStampToken?.content;
  if (content === undefined) throw new Error('there is no token');
  const signed = AsnConvert.parse(content, SignedData);
  const inner = signed.encapContentInfo.eContent?.single?.buffer;
  if (inner === undefined) throw new Error('there is no content');
  return { info: AsnConvert.parse(inner, TSTInfo), signed };
}

describe('tsa/timestamp-authority', () => {
  for (const keyType of ['p256', 'p384', 'rsa3072'] as const)
    it(`grants what was asked for, signed with ${keyType}`, async () => {
      const made = await timestampChain(keyType, NOW);
      const authority = await testTimestampAuthority(() => NOW, made);
      const nonce = nonceOf(0x91, 2, 3, 4, 5, 6, 7, 8);
      const request = parseTimestampRequest(
        requestFor(DATA, { hash: 'sha512', rest: [oid(SIGSTORE_POLICY), nonce, WITH_CERTIFICATE] }),
      );
      const { response, serial, time } = await authority.grant(request);
      expect(time).to.equal(Date.UTC(2026, 10, 22, 10, 0, 0));
      const { info, signed } = taken(response);
      expect(info).to.deep.include({ policy: SIGSTORE_POLICY, genTime: new Date(time), ordering: false });
      expect(info.accuracy?.seconds).to.equal(1);
      expect(Buffer.from(info.nonce ?? new ArrayBuffer())).to.deep.equal(Buffer.from(nonce.subarray(2)));
      expect(Buffer.from(info.messageImprint.hashedMessage.buffer)).to.deep.equal(
        createHash('sha512').update(DATA).digest(),
      );
      const number = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
      expect(number(new Uint8Array(info.serialNumber))).to.equal(number(serial));
      expect(signed.certificates?.length).to.equal(1);
      const [signer] = signed.signerInfos;
      const attributes = new Map(
        signer?.signedAttrs?.map(({ attrType, attrValues }) => [attrType, attrValues[0]]),
      );
      const [digest] = [attributes.get('1.2.840.113549.1.9.4')];
      const hash = keyType === 'p384' ? 'sha384' : 'sha256';
      const content = signed.encapContentInfo.eContent?.single?.buffer ?? new ArrayBuffer();
      expect(Buffer.from(AsnConvert.parse(digest ?? new ArrayBuffer(), OctetString).buffer)).to.deep.equal(
        createHash(hash).update(Buffer.from(content)).digest(),
      );
      expect([...attributes.keys()]).to.deep.equal([
        '1.2.840.113549.1.9.3',
        ...(keyType === 'p384'
          ? ['1.2.840.113549.1.9.16.2.47', '1.2.840.113549.1.9.4']
          : ['1.2.840.113549.1.9.4', '1.2.840.113549.1.9.16.2.47']),
      ]);
    });

  it('leaves out what nobody asked for, and refuses another policy', async () => {
    const made = await timestampChain('p256', NOW);
    const authority = await testTimestampAuthority(() => NOW, made);
    const plain = taken((await authority.grant(parseTimestampRequest(requestFor(DATA)))).response);
    expect(plain.signed.certificates).to.equal(undefined);
    expect(plain.info.nonce).to.equal(undefined);
    const other = parseTimestampRequest(requestFor(DATA, { rest: [oid('1.2.3')] }));
    expect((await failureAs(TimestampError, authority.grant(other))).code).to.equal(
      'TIMESTAMP_POLICY_REFUSED',
    );
  });

  it('signs exactly what verifiers recompute', async () => {
    const made = await timestampChain('p256', NOW);
    const authority = await testTimestampAuthority(() => NOW, made);
    const { response } = await authority.grant(parseTimestampRequest(requestFor(DATA)));
    const answer = Buffer.from(response);
    const [certificate] = made.chain;
    // [0] IMPLICIT of the signed attributes, which are the only thing that begins with a content type.
    const start = answer.indexOf(Buffer.from('301a06092a864886f70d010903', 'hex'));
    const size = answer[start - 1] ?? 0;
    const attributes = Buffer.from([0x31, 0x81, size, ...answer.subarray(start, start + size)]);
    const { signed } = taken(response);
    const signature = Buffer.from(signed.signerInfos[0]?.signature.buffer ?? new ArrayBuffer());
    const key = createPublicKey(
      new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'pem' }),
    );
    expect(verify('sha256', attributes, key, signature)).to.equal(true);
  });

  it('grants nothing outside the validity of its certificates, up to and including the last second', async () => {
    const made = await timestampChain('p256', NOW);
    let now = NOW;
    const authority = await testTimestampAuthority(() => now, made);
    const request = parseTimestampRequest(requestFor(DATA));
    const last = authority.validity.notAfter;
    now = last + 999;
    expect((await authority.grant(request)).time).to.equal(last);
    for (const at of [last + 1000, authority.validity.notBefore - 1]) {
      now = at;
      expect((await failureAs(TimestampError, authority.grant(request))).code).to.equal(
        'TIMESTAMP_CERTIFICATE',
      );
      expect(authority.faultAt(now)).to.match(/^the certificate for timestamps/);
    }
    expect(last - NOW).to.be.within(DAY - 1000, DAY);
  });

  it('does not exist with a key that is not that of its certificate', async () => {
    const [{ chain }, { signer }] = await Promise.all([timestampChain(), timestampChain()]);
    const open = TimestampAuthority.open({
      chainPem: chainOf(...chain),
      signer,
      clock: trustedClock(Date.now),
      policy: SIGSTORE_POLICY,
      accuracySeconds: 1,
    });
    expect((await failureAs(AuthorityError, open)).code).to.equal('KEY_MISMATCH');
  });

  it('names a key that cannot sign, and keeps its reason for the operator', async () => {
    const made = await timestampChain('p256', NOW);
    let works = true;
    const signer = {
      ...made.signer,
      sign: (data: Uint8Array) => (works ? made.signer.sign(data) : Promise.reject(new Error('gone'))),
    };
    const authority = await testTimestampAuthority(() => NOW, { ...made, signer });
    works = false;
    const error = await failureAs(TimestampError, authority.grant(parseTimestampRequest(requestFor(DATA))));
    expect(error).to.deep.include({ code: 'TIMESTAMP_KEY', message: 'the key for timestamps cannot sign' });
    expect(error.cause).to.have.property('message', 'gone');
  });

  it('writes rejections that a library of the field reads', () => {
    for (const failure of ['badAlg', 'badDataFormat', 'timeNotAvailable', 'systemFailure'] as const) {
      const answer = AsnConvert.parse(rejectedResponse('that will not do', failure), TimeStampResp);
      expect(answer.status.status).to.equal(2);
      expect(answer.status.statusString?.[0]).to.equal('that will not do');
      expect(answer.timeStampToken).to.equal(undefined);
    }
    expect(Buffer.from(rejectedResponse('', 'badRequest')).toString('hex')).to.equal(
      '300d300b02010230020c0003020520',
    );
    expect(Buffer.from(rejectedResponse('', 'systemFailure')).subarray(-6).toString('hex')).to.equal(
      '050600000040',
    );
  });
});
