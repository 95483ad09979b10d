import { expect } from 'chai';
import { once } from 'node:events';
import { constants } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createClientAddress, createProxyCheck } from '../../../server/http/client-address.ts';
import { createPlainHttp2Server } from '../../../server/http/http-listener.ts';
import { Http2Connection } from '../../../server/http2/http2-connection.ts';
import type { Http2Request } from '../../../server/http2/http2-request.ts';
import { MAX_STREAMS } from '../../../server/http2/session-options.ts';
import { callHead, Flag, frame, Frame, greeting, header, RawClient } from './support/raw-frames.ts';

const END = Flag.endHeaders | Flag.endStream;
const [FIRST, SECOND] = ['192.0.2.1', '192.0.2.2'];

/** A head of a call that a proxy passes on for a client. */
const headOf = (client: string, ...more: readonly Buffer[]): Buffer =>
  callHead('/x', header('x-forwarded-for', client), ...more);

/** A listener behind trusted proxies, that answers at once unless the path of a request says otherwise. */
async function behindProxy(proxies: readonly string[] = ['127.0.0.0/8']) {
  const requests: Http2Request[] = [];
  const clients = { isProxy: createProxyCheck(proxies), clientAddress: createClientAddress(proxies) };
  const onRequest = (request: Http2Request): void => {
    requests.push(request);
    if (request.headers['hold'] !== undefined) return;
    request.made(4);
    request.stream.respond({ ':status': 200 });
    request.stream.end('done');
  };
  const server = createPlainHttp2Server();
  server.on('connection', (socket) => new Http2Connection(socket, onRequest, undefined, clients));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new RawClient(port);
  client.write(greeting());
  const close = (): void => {
    client.socket.destroy();
    server.close();
  };
  return { requests, client, close };
}

const taken = (id: number, head: Buffer): Buffer =>
  Buffer.concat([
    frame(Frame.headers, id, head, Flag.endHeaders),
    frame(Frame.reset, id, Buffer.from([0, 0, 0, 8])),
  ]);

describe('server: one connection of a proxy for several clients over HTTP/2', () => {
  it('goes on when one of them takes back all its calls, and refuses only that one', async () => {
    const { requests, client, close } = await behindProxy();
    const ids = Array.from({ length: 300 }, (_, i) => 2 * i + 1);
    client.write(...ids.map((id) => taken(id, headOf(FIRST))));
    client.write(frame(Frame.headers, 1001, headOf(SECOND), END));
    await client.frame(Frame.data, 1001);
    client.write(frame(Frame.headers, 1003, headOf(FIRST), END));
    const refused = await client.frame(Frame.reset, 1003);
    expect(refused.payload.readUInt32BE(0)).to.equal(constants.NGHTTP2_REFUSED_STREAM);
    expect(requests.map(({ headers }) => headers['x-forwarded-for'])).to.deep.equal([SECOND]);
    close();
  });

  it('begins 32 calls in a turn, so that those that were taken back are forgotten before the next', async () => {
    const { requests, client, close } = await behindProxy();
    const perTurn: number[] = [];
    let isOver = false;
    const turn = (): void => {
      perTurn.push(requests.length);
      if (!isOver) setImmediate(turn);
    };
    turn();
    const heads = Array.from({ length: 200 }, (_, i) =>
      frame(Frame.headers, 2 * i + 1, headOf(`192.0.2.${i}`), END),
    );
    client.write(Buffer.concat(heads));
    await client.frame(Frame.data, 399);
    isOver = true;
    expect(requests).to.have.length(200);
    const steps = perTurn.map((count, i) => count - (perTurn[i - 1] ?? 0));
    expect(Math.max(...steps)).to.be.at.most(33);
    close();
  });

  it('goes on when one of them leaves calls open', async () => {
    const { requests, client, close } = await behindProxy();
    const count = MAX_STREAMS.proven;
    const held = Array.from({ length: count + 4 }, (_, i) =>
      frame(Frame.headers, 2 * i + 1, headOf(FIRST, header('hold', '1')), Flag.endHeaders),
    );
    client.write(...held, frame(Frame.headers, 1001, headOf(SECOND), END));
    await client.frame(Frame.data, 1001);
    expect(requests.length).to.be.at.most(count + 1);
    close();
  });

  it('goes on when one of them sends heads that are refused', async () => {
    const { client, close } = await behindProxy();
    const many = Array.from({ length: 70 }, () => header('x', 'y'));
    for (let id = 1; id < 81; id += 2) client.write(frame(Frame.headers, id, headOf(FIRST, ...many), END));
    client.write(frame(Frame.headers, 1001, headOf(SECOND), END));
    await client.frame(Frame.data, 1001);
    close();
  });

  it('is of one client when no proxy is trusted, whatever the client says', async () => {
    const { client, close } = await behindProxy([]);
    client.write(...Array.from({ length: 300 }, (_, i) => taken(2 * i + 1, headOf(`192.0.2.${i % 200}`))));
    expect((await client.farewell()).code).to.equal(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    close();
  });

  it('lets each take turns for itself', async () => {
    const { requests, client, close } = await behindProxy();
    const ids = [FIRST, FIRST, SECOND].map((one, i) => frame(Frame.headers, 2 * i + 1, headOf(one), END));
    client.write(...ids);
    await client.frame(Frame.data, 5);
    const [first, again, second] = requests.map((request) => request.client);
    expect(first).to.equal(again);
    expect(first).not.to.equal(second);
    close();
  });
});
