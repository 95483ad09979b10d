import { expect } from 'chai';
import { ClosingStack } from '../../service/closing-stack.ts';
import { ShutdownOrder } from '../../service/shutdown-order.ts';

describe('service/closing-stack', () => {
  let closed: string[];
  beforeEach(() => (closed = []));
  const closing = (name: string) => async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    closed.push(name);
  };

  it('closes in reverse, one after the other', async () => {
    const stack = new ClosingStack();
    for (const name of ['first', 'second', 'third']) stack.add(closing(name));
    await stack.close();
    expect(closed).to.deep.equal(['third', 'second', 'first']);
  });

  it('closes everything although one fails, now or later', async () => {
    for (const order of ['reverse', 'together'] as const) {
      closed = [];
      const stack = new ClosingStack(order);
      stack.add(closing('last'));
      stack.add(() => Promise.reject(new Error('later')));
      stack.add(() => {
        throw new Error('now');
      });
      await stack.close();
      expect(closed).to.deep.equal(['last']);
    }
  });

  it('closes together what may not wait for one another', async () => {
    const stack = new ClosingStack('together');
    let release: () => void = () => undefined;
    stack.add(() => {
      release();
    });
    stack.add(() => new Promise<void>((resolve) => (release = resolve)));
    await stack.close();
  });

  it('closes once', async () => {
    const stack = new ClosingStack();
    stack.add(closing('only'));
    await Promise.all([stack.close(), stack.close()]);
    await stack.close();
    expect(closed).to.deep.equal(['only']);
  });
});

describe('service/shutdown-order', () => {
  it('ends clients, stores, records and the service log in this order, however they were opened', async () => {
    const ended: string[] = [];
    const order = new ShutdownOrder();
    for (const name of ['clients', 'serviceLog', 'records', 'stores'] as const)
      order[name].add(() => ended.push(name));
    await order.close();
    expect(ended).to.deep.equal(['clients', 'stores', 'records', 'serviceLog']);
  });

  it('closes once, and everything although a part of it fails', async () => {
    const ended: string[] = [];
    const order = new ShutdownOrder();
    for (const name of ['clients', 'stores', 'records', 'following', 'serviceLog'] as const) {
      order[name].add(() => ended.push(name));
      order[name].add(() => Promise.reject(new Error(name)));
    }
    await Promise.all([order.close(), order.close()]);
    expect(ended).to.have.members(['clients', 'stores', 'records', 'following', 'serviceLog']);
  });

  it('waits for the followed configuration at the end only', async () => {
    const ended: string[] = [];
    const order = new ShutdownOrder();
    let looked: () => void = () => undefined;
    order.following.add(() =>
      new Promise<void>((resolve) => (looked = resolve)).then(() => ended.push('following')),
    );
    order.records.add(() => {
      ended.push('records');
      looked();
    });
    order.serviceLog.add(() => ended.push('serviceLog'));
    await order.close();
    expect(ended).to.deep.equal(['records', 'following', 'serviceLog']);
  });
});
