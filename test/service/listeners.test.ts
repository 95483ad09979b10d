import { createHook } from 'node:async_hooks';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { Audit } from '../../audit/audit.ts';
import { failureOf } from '../support/failure.ts';
import { startTestService, type TestService } from '../support/test-service.ts';

describe('service/listeners: a start that fails', () => {
  it('leaves no timer behind, whichever listener cannot be opened', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const intervals = new Set<number>();
    const hook = createHook({
      init: (id, type, _trigger, resource) => {
        if (type === 'Timeout' && typeof (resource as { _repeat?: unknown })._repeat === 'number')
          intervals.add(id);
      },
      destroy: (id) => intervals.delete(id),
    });
    const fail = async (place: 'listen' | 'metricsListen'): Promise<void> => {
      const address = { host: '127.0.0.1', port };
      const failure: unknown = await failureOf(startTestService(() => ({ [place]: address })));
      expect(failure).to.have.property('code', 'ADDRESS_IN_USE');
    };
    // What is measured of the process begins with the first service, and stays.
    await fail('listen');
    hook.enable();
    try {
      await fail('listen');
      await fail('metricsListen');
      for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
      expect(intervals.size).to.equal(0);
    } finally {
      hook.disable();
      taken.close();
    }
  });
});

describe('service/listeners: an end', () => {
  const events = ({ lines }: TestService): unknown[] => lines.map(({ event }) => event);

  it('is reported when everything is closed', async () => {
    const service = await startTestService();
    await service.close();
    expect(events(service)).to.deep.equal(['started', 'closing', 'closed']);
  });

  it('fails, and is not reported, when the audit cannot be closed', async () => {
    const fault = new Error('the last lines are lost');
    const audit: Audit = {
      isFailClosed: false,
      refusal: () => undefined,
      issued: () => undefined,
      refused: () => true,
      logged: () => undefined,
      redacted: () => undefined,
      submitted: () => undefined,
      entryRefused: () => true,
      status: () => ({ lines: { issued: 0, logged: 0, refused: 0, suppressed: 0 }, destinations: [] }),
      close: () => Promise.reject(fault),
    };
    const service = await startTestService(() => ({ audit }));
    expect(await failureOf(service.close())).to.equal(fault);
    expect(events(service)).to.deep.equal(['started', 'closing']);
  });

  /** The status of a request that began before the end and is completed while the service drains; undefined when the
   * machine took longer than the service waits for it. */
  async function statusWhileDraining(): Promise<string | undefined> {
    const service = await startTestService();
    const port = Number(new URL(service.url).port);
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('error', () => undefined).on('data', (bytes) => (answer += String(bytes)));
    await once(socket, 'connect');
    socket.write('GET /log/2026/log.v3.json HTTP/1.1\r\n');
    while ((await fetch(`${service.url}/healthz`)).status !== 200);
    const closed = service.close();
    const refuses = async (): Promise<boolean> => {
      const other = connect(port, '127.0.0.1');
      const isRefused = await failureOf(once(other, 'connect')).then(
        () => true,
        () => false,
      );
      other.destroy();
      return isRefused;
    };
    while (!(await refuses()));
    socket.write('Host: x\r\n\r\n');
    await once(socket, 'close');
    await closed;
    return /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1];
  }

  it('lets the log say where it is, also to a request that is complete only when nothing is accepted any more', async () => {
    let status: string | undefined;
    for (let tries = 0; tries < 5 && status === undefined; tries++) status = await statusWhileDraining();
    expect(status).to.equal('200');
  });
});
