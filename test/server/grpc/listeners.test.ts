import { expect } from 'chai';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { requireProtectedTransport } from '../../../server/http/listen-address.ts';
import { failureOf } from '../../support/failure.ts';
import { clientKey, emailToken, startTestService, type TestService } from '../../support/test-service.ts';
import { selfSigned } from '../../support/tls-identity.ts';
import { call, grpcClient } from './support/grpc-client.ts';
import { connectTo, framed, send, signingMessage } from './support/raw-call.ts';

const V2 = 'dev.sigstore.fulcio.v2.CA';
const LOCAL = { host: '127.0.0.1', port: 0 };

describe('gRPC: listeners', () => {
  let scratch: string;
  let root: Buffer;
  let files: { certFile: string; keyFile: string };
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-grpc-'));
    files = { certFile: join(scratch, 'cert.pem'), keyFile: join(scratch, 'key.pem') };
    const { cert, key } = await selfSigned('localhost', '127.0.0.1');
    await writeFile(files.certFile, cert);
    await writeFile(files.keyFile, key);
    root = await readFile(files.certFile);
  });
  after(() => rm(scratch, { recursive: true, force: true }));

  /** The protocol that a client is given of those that it offers. */
  async function agreed(service: TestService, offered: readonly string[]): Promise<string | false | null> {
    const { port } = new URL(service.url);
    const socket = connectTls({
      port: Number(port),
      host: '127.0.0.1',
      ALPNProtocols: [...offered],
      rejectUnauthorized: false,
    });
    try {
      await once(socket, 'secureConnect');
      return socket.alpnProtocol;
    } finally {
      socket.destroy();
    }
  }

  it('are one port with TLS: HTTP/1.1 for who offers it, HTTP/2 for who offers nothing else', async () => {
    const service = await startTestService(() => ({ tls: files }));
    expect(await agreed(service, ['h2', 'http/1.1'])).to.equal('http/1.1');
    expect(await agreed(service, ['http/1.1'])).to.equal('http/1.1');
    expect(await agreed(service, [])).to.equal(false);
    expect(await agreed(service, ['h2'])).to.equal('h2');
    expect(service.grpcListen).to.equal(undefined);
    const client = grpcClient(V2, new URL(service.url).host, root);
    expect(await call(client, 'GetTrustBundle', {})).to.have.property('chains');
    client.close();
    // Also with another certificate.
    const { cert, key } = await selfSigned('localhost', '127.0.0.1');
    await writeFile(files.certFile, cert);
    await writeFile(files.keyFile, key);
    await service.checkTls();
    expect(await agreed(service, ['h2'])).to.equal('h2');
    await service.close();
  });

  it('speak HTTP/1.1 alone where the configuration says so', async () => {
    const service = await startTestService(() => ({
      tls: files,
      grpc: { withTls: false, reflection: false },
    }));
    await failureOf(agreed(service, ['h2']));
    expect(await agreed(service, ['h2', 'http/1.1'])).to.equal('http/1.1');
    const text = await (await fetch(`${service.metricsUrl}/metrics`)).text();
    expect(text).not.to.contain('grpc_server_');
    await service.close();
  });

  it('without TLS are where the configuration says, and nowhere by default', async () => {
    const none = await startTestService();
    expect(none.grpcListen).to.equal(undefined);
    await none.close();
    const service = await startTestService(() => ({
      grpc: { withTls: true, listen: LOCAL, reflection: false },
    }));
    const client = grpcClient(V2, service.grpcListen ?? '');
    expect(await call(client, 'GetTrustBundle', {})).to.have.property('chains');
    client.close();
    await service.close();
  });

  it('without TLS are refused beyond this machine, unless a proxy speaks TLS', () => {
    const everywhere = { host: '0.0.0.0', port: 0 };
    expect(() => {
      requireProtectedTransport(everywhere, { tls: false, behindTlsProxy: false }, 'gRPC');
    }).to.throw('plain gRPC on 0.0.0.0');
    requireProtectedTransport(everywhere, { tls: false, behindTlsProxy: true }, 'gRPC');
    requireProtectedTransport(LOCAL, { tls: false, behindTlsProxy: false }, 'gRPC');
  });

  it('end in order: the end is announced to clients, and they get the answers that are under way', async () => {
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    let reached: () => void = () => undefined;
    const isReached = new Promise<void>((resolve) => (reached = resolve));
    const service = await startTestService(({ log }) => ({
      grpcListen: LOCAL,
      log: {
        ...log,
        append: async (entry) => {
          reached();
          await opened;
          return log.append(entry);
        },
      },
    }));
    const [idle, busy] = [connectTo(service.grpcListen ?? ''), connectTo(service.grpcListen ?? '')];
    const bundle = `/${V2}/GetTrustBundle`;
    expect((await send(idle, bundle, framed(Buffer.alloc(0)))).headers['grpc-status']).to.equal('0');
    const message = signingMessage(await emailToken(service), clientKey());
    const answer = send(busy, `/${V2}/CreateSigningCertificate`, framed(message));
    await isReached;
    const announced = [once(idle, 'goaway'), once(busy, 'goaway')];
    const closed = service.close();
    for (const [code] of (await Promise.all(announced)) as [number][]) expect(code).to.equal(0);
    await once(idle, 'close');
    open();
    expect((await answer).headers['grpc-status']).to.equal('0');
    await closed;
  });
});
