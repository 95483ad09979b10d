/** Names that mean a public address when they are judged and a private one when they are used: each connection is judged
 * by the one lookup that it is made with (`oidc/keys/public-connector.ts`). */
import { createServer, type AddressInfo, type Server } from 'node:net';
import type { LookupAddress } from 'node:dns';
import { expect } from 'chai';
import { Agent, request } from 'undici';
import { IssuerFault } from '../../oidc/keys/issuer-fault.ts';
import { publicConnector } from '../../oidc/keys/public-connector.ts';
import { failureOf } from '../support/failure.ts';

const address = (text: string): LookupAddress => ({ address: text, family: text.includes(':') ? 6 : 4 });
/** Ways to this machine and its neighbours, one lookup each. */
const ANSWERS: readonly (readonly string[])[] = [
  ...[
    ['127.0.0.1'],
    ['::1'],
    ['::ffff:127.0.0.1'],
    ['::ffff:7f00:1'],
    ['0.0.0.0'],
    ['::'],
    ['127.0.0.1', '::1'],
  ],
  ...[
    ['169.254.169.254'],
    ['fe80::1%lo'],
    ['10.0.0.1', '192.168.0.1'],
    ['64:ff9b::7f00:1'],
    ['2002:7f00:1::'],
    [],
  ],
];

describe('hostile: names that change their meaning', () => {
  let server: Server;
  let connections = 0;
  before(async () => {
    server = createServer((socket) => {
      connections++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, resolve));
  });
  after(() => server.close());

  it('lead nowhere, however often they are asked for and whatever they mean next', async () => {
    let lookups = 0;
    const agent = new Agent({
      connect: publicConnector({}, (_name, _options, callback) => {
        callback(null, (ANSWERS[lookups++ % ANSWERS.length] ?? []).map(address));
      }),
    });
    const { port } = server.address() as AddressInfo;
    for (let i = 0; i < 2 * ANSWERS.length; i++) {
      const failure: unknown = await failureOf(
        request(`http://rebound.example:${port}/`, { dispatcher: agent }),
      );
      expect(failure, String(ANSWERS[i % ANSWERS.length])).to.be.instanceOf(IssuerFault);
    }
    expect(lookups).to.equal(2 * ANSWERS.length);
    expect(connections).to.equal(0);
    await agent.close();
  });

  it('are judged even when the lookup returns one address where several were asked for', async () => {
    const agent = new Agent({
      connect: publicConnector({}, (_name, _options, callback) => {
        callback(null, '127.0.0.1', 4);
      }),
    });
    const { port } = server.address() as AddressInfo;
    const failure: unknown = await failureOf(
      request(`http://rebound.example:${port}/`, { dispatcher: agent }),
    );
    expect(failure).to.be.instanceOf(IssuerFault);
    expect(connections).to.equal(0);
    await agent.close();
  });
});
