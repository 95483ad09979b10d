/** The two versions of Fulcio's signing call over gRPC: from the bytes of a request, and to the bytes of an answer. */
import { create, fromBinary, toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import type { Authority } from '../../ca/authority.ts';
import { certificatePem } from '../../ca/pem-text.ts';
import { MAX_LENGTHS, type KeyRequest, type SigningRequest } from '../../ca/signing-request.ts';
import { TransportError } from '../http/transport-error.ts';
import { hasTooManyFields, MAX_FIELDS } from './field-bounds.ts';
import { messageFrame } from './message-frame.ts';
import { CreateSigningCertificateRequestSchema as LegacyRequestSchema } from './protobuf/fulcio_legacy_pb.ts';
import { CreateSigningCertificateRequestSchema } from './protobuf/fulcio_pb.ts';
import { HttpBodySchema } from './protobuf/google/api/httpbody_pb.ts';

/** What differs between the versions. */
export interface SigningMethod {
  /** Reads a message. Throws TransportError `BODY_MALFORMED`. */
  decode(message: Buffer, headers: IncomingHttpHeaders): SigningRequest;
  /** The frame that answers with a certificate, DER. */
  reply(certificate: Uint8Array): Buffer;
  /** Sent before it. */
  readonly metadata: OutgoingHttpHeaders;
}

const NO_BYTES = new Uint8Array(0);

/** Reads a message that has few fields. Throws TransportError. */
export function readMessage<Schema extends DescMessage>(
  schema: Schema,
  message: Uint8Array,
): MessageShape<Schema> {
  try {
    if (hasTooManyFields(schema, message)) throw tooManyFields();
    // What is not known is not kept.
    return fromBinary(schema, message, { readUnknownFields: false });
  } catch (error) {
    if (error instanceof TransportError) throw error;
    // The reader's own words may quote what a token stands in.
    throw new TransportError('BODY_MALFORMED', `the message is not a ${schema.typeName}`, {
      hint: 'Use the stubs of the proto files that docs/grpc.md names.',
    });
  }
}

const tooManyFields = (): TransportError =>
  new TransportError('BODY_MALFORMED', `the message has a group, or more than ${MAX_FIELDS} fields`, {
    hint: 'A signing request has seven fields.',
  });

/** A copy, because the body is freed; of what is longer than `limit` only so much that it is still longer. */
const kept = (bytes: Uint8Array, limit: number): Uint8Array => Uint8Array.from(bytes.subarray(0, limit + 1));

/** The token in the metadata, as Fulcio reads it: used only if there is exactly one. */
function tokenOf(headers: IncomingHttpHeaders): string {
  const value = headers['oidcidentitytoken'];
  return typeof value === 'string' && !value.includes(',') ? value : '';
}

/** `dev.sigstore.fulcio.v2`. The answer is written around the leaf, the only part that changes. */
export class SigningMethodV2 implements SigningMethod {
  readonly metadata = {};
  /** The rest of the chain, as it is in the message. */
  readonly #tail: Uint8Array;
  /** Of the oneof: 1 is detached, 2 embedded. */
  readonly #field: 1 | 2;

  /** `hasSct`: whether certificates carry one. */
  constructor({ chainPems }: Authority, hasSct = true) {
    this.#field = hasSct ? 2 : 1;
    const writer = new BinaryWriter();
    for (const pem of chainPems) writer.tag(1, WireType.LengthDelimited).string(pem.trimEnd());
    this.#tail = writer.finish();
  }

  decode(message: Buffer, headers: IncomingHttpHeaders): SigningRequest {
    const { credentials, key } = readMessage(CreateSigningCertificateRequestSchema, message);
    const token = credentials?.credentials.value ?? '';
    return { token: token === '' ? tokenOf(headers) : token, key: keyOf(key) };
  }

  reply(certificate: Uint8Array): Buffer {
    const chain = new BinaryWriter()
      .tag(this.#field, WireType.LengthDelimited)
      .fork()
      .tag(1, WireType.LengthDelimited)
      .fork()
      .tag(1, WireType.LengthDelimited)
      .string(certificatePem(certificate))
      .raw(this.#tail)
      .join()
      .join();
    return messageFrame(chain.finish());
  }
}

type KeyV2 = MessageShape<typeof CreateSigningCertificateRequestSchema>['key'];

function keyOf(key: KeyV2): KeyRequest {
  if (key.case === 'certificateSigningRequest')
    return { kind: 'csr', pem: kept(key.value, MAX_LENGTHS.request) };
  const { publicKey, proofOfPossession = NO_BYTES } = key.value ?? {};
  const content = Buffer.from((publicKey?.content ?? '').slice(0, MAX_LENGTHS.key + 1), 'utf8');
  return { kind: 'publicKey', content, proof: kept(proofOfPossession, MAX_LENGTHS.signature) };
}

/** `dev.sigstore.fulcio.v1beta`, which answers with a body of HTTP. */
export class LegacySigningMethod implements SigningMethod {
  /** What Fulcio's gateway makes a status of HTTP of. */
  readonly metadata = { 'x-http-code': '201' };
  readonly #tail: string;

  constructor({ chainPem }: Authority) {
    this.#tail = `\n${chainPem}`;
  }

  decode(message: Buffer, headers: IncomingHttpHeaders): SigningRequest {
    const { publicKey, signedEmailAddress, certificateSigningRequest } = readMessage(
      LegacyRequestSchema,
      message,
    );
    const key: KeyRequest =
      certificateSigningRequest.length > 0
        ? { kind: 'csr', pem: kept(certificateSigningRequest, MAX_LENGTHS.request) }
        : {
            kind: 'publicKey',
            content: kept(publicKey?.content ?? NO_BYTES, MAX_LENGTHS.key),
            proof: kept(signedEmailAddress, MAX_LENGTHS.signature),
          };
    return { token: tokenOf(headers), key };
  }

  reply(certificate: Uint8Array): Buffer {
    return httpBodyFrame(certificatePem(certificate) + this.#tail);
  }
}

/** The frame of PEM text in a body of HTTP. */
export function httpBodyFrame(pem: string): Buffer {
  const body = create(HttpBodySchema, {
    contentType: 'application/pem-certificate-chain',
    data: Buffer.from(pem, 'latin1'),
  });
  return messageFrame(toBinary(HttpBodySchema, body));
}
