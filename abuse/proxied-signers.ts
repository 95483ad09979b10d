/** Honest clients behind a proxy, which has one connection for all of them: each has an address of its own, and signs over gRPC. */
import { fromBinary } from '@bufbuild/protobuf';
import { connect, type ClientHttp2Session } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { SigningCertificateSchema } from '../server/grpc/protobuf/fulcio_pb.ts';
import { framed, reasonOf, send, signingMessage } from '../test/server/grpc/support/raw-call.ts';

/** How many there are. */
const CLIENTS = 8;

const SIGN = '/dev.sigstore.fulcio.v2.CA/CreateSigningCertificate';

/** Such clients. */
export class ProxiedSigners {
  readonly #sessions: readonly ClientHttp2Session[];

  constructor(proxyUrl: string) {
    const { hostname: host, port } = new URL(proxyUrl);
    this.#sessions = Array.from({ length: CLIENTS }, (_, index) =>
      connect(proxyUrl, {
        createConnection: () =>
          connectSocket({ host, port: Number(port), localAddress: `127.0.1.${index + 1}` }),
      }).on('error', () => undefined),
    );
  }

  /** Signs as the client whose turn it is; resolves to the leaf, PEM, and rejects when it is refused. */
  async sign(
    turn: number,
    token: string,
    key: { readonly pem: string; readonly proof: string },
  ): Promise<string> {
    const session = this.#sessions[turn % CLIENTS];
    if (session === undefined) throw new RangeError('there is no such client');
    const answer = await send(session, SIGN, framed(signingMessage(token, key)), { 'grpc-timeout': '10S' });
    const { 'grpc-status': status, 'grpc-message': message = '' } = answer.headers;
    if (status !== '0') throw new Error(`${status ?? 'reset'} ${message} ${reasonOf(answer)}`);
    const { certificate } = fromBinary(SigningCertificateSchema, answer.body.subarray(5));
    return certificate.value?.chain?.certificates[0] ?? '';
  }

  close(): void {
    for (const session of this.#sessions) session.destroy();
  }
}
