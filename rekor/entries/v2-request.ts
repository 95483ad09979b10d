/** The messages of `dev.sigstore.rekor.v2` that a client sends. */
import type { ProtoField, ProtoFields } from './proto-json.ts';

/** Kinds of keys with their numbers in `sigstore_common.proto`; of most of them there are no entries. */
export const KEY_DETAILS: ReadonlyMap<string, number> = new Map([
  ['PUBLIC_KEY_DETAILS_UNSPECIFIED', 0],
  ['PKCS1_RSA_PKCS1V5', 1],
  ['PKCS1_RSA_PSS', 2],
  ['PKIX_RSA_PKCS1V5', 3],
  ['PKIX_RSA_PSS', 4],
  ['PKIX_ECDSA_P256_SHA_256', 5],
  ['PKIX_ECDSA_P256_HMAC_SHA_256', 6],
  ['PKIX_ED25519', 7],
  ['PKIX_ED25519_PH', 8],
  ['PKIX_RSA_PKCS1V15_2048_SHA256', 9],
  ['PKIX_RSA_PKCS1V15_3072_SHA256', 10],
  ['PKIX_RSA_PKCS1V15_4096_SHA256', 11],
  ['PKIX_ECDSA_P384_SHA_384', 12],
  ['PKIX_ECDSA_P521_SHA_512', 13],
  ['LMS_SHA256', 14],
  ['LMOTS_SHA256', 15],
  ['PKIX_RSA_PSS_2048_SHA256', 16],
  ['PKIX_RSA_PSS_3072_SHA256', 17],
  ['PKIX_RSA_PSS_4096_SHA256', 18],
  ['PKIX_ECDSA_P384_SHA_256', 19],
  ['PKIX_ECDSA_P521_SHA_256', 20],
  ['ML_DSA_65', 21],
  ['ML_DSA_87', 22],
  ['ML_DSA_44', 23],
]);

const bytes = (protoName: string): ProtoField => ({ type: 'bytes', protoName });

const RAW_BYTES: ProtoFields = new Map([['rawBytes', bytes('raw_bytes')]]);

const ONE_VERIFIER = 'dev.sigstore.rekor.v2.Verifier.verifier';

const VERIFIER: ProtoFields = new Map<string, ProtoField>([
  ['publicKey', { type: 'message', protoName: 'public_key', oneof: ONE_VERIFIER, fields: RAW_BYTES }],
  [
    'x509Certificate',
    { type: 'message', protoName: 'x509_certificate', oneof: ONE_VERIFIER, fields: RAW_BYTES },
  ],
  ['keyDetails', { type: 'enum', protoName: 'key_details', values: KEY_DETAILS }],
]);

const SIGNATURE: ProtoFields = new Map<string, ProtoField>([
  ['content', bytes('content')],
  ['verifier', { type: 'message', protoName: 'verifier', fields: VERIFIER }],
]);

const HASHED_REKORD: ProtoFields = new Map<string, ProtoField>([
  ['digest', bytes('digest')],
  ['signature', { type: 'message', protoName: 'signature', fields: SIGNATURE }],
]);

const ENVELOPE: ProtoFields = new Map<string, ProtoField>([
  ['payload', bytes('payload')],
  ['payloadType', { type: 'string', protoName: 'payloadType' }],
  [
    'signatures',
    {
      type: 'list',
      protoName: 'signatures',
      fields: new Map<string, ProtoField>([
        ['sig', bytes('sig')],
        ['keyid', { type: 'string', protoName: 'keyid' }],
      ]),
    },
  ],
]);

const DSSE: ProtoFields = new Map<string, ProtoField>([
  ['envelope', { type: 'message', protoName: 'envelope', fields: ENVELOPE }],
  ['verifiers', { type: 'list', protoName: 'verifiers', fields: VERIFIER }],
]);

const SPEC = 'dev.sigstore.rekor.v2.CreateEntryRequest.spec';

/** `CreateEntryRequest`. */
export const CREATE_ENTRY_REQUEST: ProtoFields = new Map<string, ProtoField>([
  [
    'hashedRekordRequestV002',
    { type: 'message', protoName: 'hashed_rekord_request_v002', oneof: SPEC, fields: HASHED_REKORD },
  ],
  ['dsseRequestV002', { type: 'message', protoName: 'dsse_request_v002', oneof: SPEC, fields: DSSE }],
]);
