import { expect } from 'chai';
import { constants } from 'node:http2';
import { startTestService, type TestService } from '../../support/test-service.ts';
import { callHead, Flag, frame, Frame, greeting, header, RawClient } from '../http2/support/raw-frames.ts';
import { connectTo, framed, send } from './support/raw-call.ts';

const V2 = '/dev.sigstore.fulcio.v2.CA';
const END = Flag.endHeaders | Flag.endStream;

/** A head of another method or type than a call has. */
const head = (method: string, path: string, ...more: readonly Buffer[]): Buffer =>
  Buffer.concat([
    header(':method', method),
    header(':scheme', 'http'),
    header(':path', path),
    header(':authority', 'localhost'),
    ...more,
  ]);

/** One for each way in which a request is answered, most of which need no body. */
const HEADS: Readonly<Record<string, Buffer>> = {
  get: head('GET', '/'),
  head: head('HEAD', '/healthz'),
  options: head('OPTIONS', '/'),
  'without method': Buffer.concat([header(':scheme', 'http'), header(':path', '/')]),
  connect: Buffer.concat([header(':method', 'CONNECT'), header(':authority', 'localhost:80')]),
  json: head('POST', '/api/v2/signingCert', header('content-type', 'application/json')),
  'grpc-web': head('POST', `${V2}/GetTrustBundle`, header('content-type', 'application/grpc-web')),
  'no method': callHead('/none'),
  compressed: callHead(`${V2}/GetTrustBundle`, header('grpc-encoding', 'gzip')),
  'other host': head(
    'POST',
    `${V2}/GetTrustBundle`,
    header('content-type', 'application/grpc'),
    header('host', 'x'),
  ),
  deadline: callHead(`${V2}/GetTrustBundle`, header('grpc-timeout', 'never')),
  late: callHead(`${V2}/CreateSigningCertificate`, header('grpc-timeout', '1n')),
  bundle: callHead(`${V2}/GetTrustBundle`),
  sign: callHead(`${V2}/CreateSigningCertificate`),
  watch: callHead('/grpc.health.v1.Health/Watch'),
  check: callHead('/grpc.health.v1.Health/Check'),
  reflection: callHead('/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'),
};

describe('gRPC: requests that are taken back in the segment in which they begin', () => {
  let service: TestService;
  before(async () => {
    service = await startTestService(() => ({
      grpc: { withTls: true, listen: { host: '127.0.0.1', port: 0 }, reflection: true },
      acceptHost: (host) => host !== 'refused',
    }));
  });
  after(() => service.close());

  const port = (): number => Number((service.grpcListen ?? '').split(':').pop());
  const code = (value: number): Buffer => Buffer.from([0, 0, 0, value]);

  /** How a client leaves: the stream alone, or the whole connection. */
  const leaves: Readonly<Record<string, Buffer>> = {
    ...Object.fromEntries(
      [constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_PROTOCOL_ERROR, constants.NGHTTP2_CANCEL].map(
        (value) => [`reset ${value}`, frame(Frame.reset, 1, code(value))],
      ),
    ),
    goaway: frame(Frame.goaway, 0, Buffer.alloc(8)),
    'connection error': frame(Frame.goaway, 0, Buffer.concat([code(0), code(2)])),
    'a broken frame': frame(Frame.window, 0, Buffer.alloc(4)),
  };

  for (const [name, bytes] of Object.entries(HEADS))
    it(`harm nobody: ${name}`, async () => {
      const before = service.lines.length;
      for (const flags of [Flag.endHeaders, END])
        for (const leave of Object.values(leaves)) {
          const client = new RawClient(port());
          client.write(
            greeting(),
            frame(Frame.headers, 1, bytes, flags),
            leave,
            frame(Frame.ping, 0, Buffer.alloc(8)),
          );
          // What is behind it is read too, or the connection ended.
          await Promise.race([client.frame(Frame.ping).catch(() => undefined), client.closed]);
          client.socket.destroy();
          await client.closed;
        }
      const session = connectTo(service.grpcListen ?? '');
      const answer = await send(session, `${V2}/GetTrustBundle`, framed(Buffer.alloc(0)));
      expect(answer.headers['grpc-status']).to.equal('0');
      session.close();
      // It is no fault of the service either.
      const faults = service.lines
        .slice(before)
        .filter(({ event, reason }) => event === 'request over HTTP/2 failed' || reason === 'INTERNAL');
      expect(faults).to.deep.equal([]);
    });
});
