/** Calls of gRPC as bytes and headers, for what no stock client sends. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { once } from 'node:events';
import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { CreateSigningCertificateRequestSchema } from '../../../../server/grpc/protobuf/fulcio_pb.ts';
import { ErrorInfoSchema } from '../../../../server/grpc/protobuf/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../../../server/grpc/protobuf/google/rpc/status_pb.ts';
import type { ClientKey } from '../../../support/test-service.ts';

/** What came back. */
export interface RawAnswer {
  /** Of the first head, and of the trailers where there are some. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

/** A message in its frame. */
export function framed(message: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The message of a good signing request. */
export const signingMessage = (token: string, { pem, proof }: Pick<ClientKey, 'pem' | 'proof'>): Uint8Array =>
  toBinary(
    CreateSigningCertificateRequestSchema,
    create(CreateSigningCertificateRequestSchema, {
      credentials: { credentials: { case: 'oidcIdentityToken', value: token } },
      key: {
        case: 'publicKeyRequest',
        value: { publicKey: { content: pem }, proofOfPossession: Buffer.from(proof, 'base64') },
      },
    }),
  );

/** A connection without TLS to HOST:PORT. */
export function connectTo(address: string): ClientHttp2Session {
  const session = connect(`http://${address}`);
  session.on('error', () => undefined);
  return session;
}

/** Begins a call and sends nothing of its body. */
export function begin(
  session: ClientHttp2Session,
  path: string,
  headers: OutgoingHttpHeaders = {},
): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => undefined);
  return stream;
}

/** The answer to a call. */
export async function answerOf(stream: ClientHttp2Stream): Promise<RawAnswer> {
  const chunks: Buffer[] = [];
  let headers: RawAnswer['headers'] = {};
  const add = (more: object): void => {
    headers = { ...headers, ...(more as RawAnswer['headers']) };
  };
  stream.on('response', add).on('trailers', add);
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'close');
  return { headers, body: Buffer.concat(chunks) };
}

/** One call with that body. */
export function send(
  session: ClientHttp2Session,
  path: string,
  body: Uint8Array,
  headers: OutgoingHttpHeaders = {},
): Promise<RawAnswer> {
  const stream = begin(session, path, headers);
  const answer = answerOf(stream);
  stream.end(body);
  return answer;
}

/** The reason in the details of a refusal. */
export function reasonOf({ headers }: RawAnswer): string {
  const status = fromBinary(StatusSchema, Buffer.from(headers['grpc-status-details-bin'] ?? '', 'base64'));
  const [detail] = status.details;
  return detail === undefined ? '' : fromBinary(ErrorInfoSchema, detail.value).reason;
}
