import { createHook } from 'node:async_hooks';
import { createServer, type AddressInfo } from 'node:net';
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
      status: () => ({ lines: { issued: 0, refused: 0, suppressed: 0 }, destinations: [] }),
      close: () => Promise.reject(fault),
    };
    const service = await startTestService(() => ({ audit }));
    expect(await failureOf(service.close())).to.equal(fault);
    expect(events(service)).to.deep.equal(['started', 'closing']);
  });
});
