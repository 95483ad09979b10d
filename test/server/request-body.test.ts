import { expect } from 'chai';
import { EventEmitter, once } from 'node:events';
import { createServer, request, type ClientRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Admission } from '../../server/admission.ts';
import { BODY_LIMIT, readBody } from '../../server/request-body.ts';
import type { TransportError } from '../../server/transport-error.ts';

type Result = Buffer | TransportError | undefined;

describe('server: reading a request body', () => {
  const memory = new Admission(1_000_000);
  const arrivals = new EventEmitter();
  let server: Server;
  before(async () => {
    server = createServer((incoming: IncomingMessage, response) => {
      readBody(incoming, memory, (result) => {
        arrivals.emit('result', result);
        response.end();
      });
      incoming.on('data', () => arrivals.emit('data'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const open = (): ClientRequest =>
    request({ port: (server.address() as AddressInfo).port, method: 'POST' }).on('error', () => undefined);
  const read = async (body: Buffer): Promise<Result> => {
    const result = once(arrivals, 'result') as Promise<[Result]>;
    open().end(body);
    return (await result)[0];
  };

  it('takes 256 KiB and refuses one byte more', async () => {
    expect(BODY_LIMIT).to.equal(256 * 1024);
    expect(await read(Buffer.alloc(BODY_LIMIT))).to.have.length(BODY_LIMIT);
    expect(await read(Buffer.alloc(BODY_LIMIT + 1))).to.include({ code: 'BODY_TOO_LARGE' });
    expect(memory.used).to.equal(0);
  });

  it('refuses a body when those on their way hold all the memory, and takes it when one has left', async () => {
    const others = 950_000;
    memory.enter(others);
    const slow = open();
    const arrived = once(arrivals, 'data');
    slow.write(Buffer.alloc(30_000));
    await arrived;
    expect(memory.used).to.be.above(others);
    expect(await read(Buffer.alloc(60_000))).to.include({ code: 'TOO_BUSY' });
    const result = once(arrivals, 'result') as Promise<[Result]>;
    slow.end();
    expect((await result)[0]).to.have.length(30_000);
    expect(memory.used).to.equal(others);
    memory.leave(others);
    expect(await read(Buffer.alloc(60_000))).to.have.length(60_000);
    expect(memory.used).to.equal(0);
  });

  it('gives back what a client held that went away', async () => {
    const gone = open();
    const arrived = once(arrivals, 'data');
    gone.write(Buffer.alloc(30_000));
    await arrived;
    const result = once(arrivals, 'result') as Promise<[Result]>;
    gone.destroy();
    expect((await result)[0]).to.equal(undefined);
    expect(memory.used).to.equal(0);
  });
});
