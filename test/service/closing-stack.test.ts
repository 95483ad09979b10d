import { expect } from 'chai';
import { ClosingStack } from '../../service/closing-stack.ts';
import { ShutdownOrder } from '../../service/shutdown-order.ts';
import { failureOf } from '../support/failure.ts';

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

  it('closes everything although one fails, now or later, and then rejects with the first failure', async () => {
    for (const order of ['reverse', 'together'] as const) {
      closed = [];
      const stack = new ClosingStack(order);
      stack.add(closing('last'));
      stack.add(() => Promise.reject(new Error('later')));
      stack.add(() => {
        throw new Error('now');
      });
      expect(await failureOf(stack.close())).to.have.property('message', 'now');
      expect(closed).to.deep.equal(['last']);
    }
  });

  it('closes together what may not wait for one another', async () => {
    const stack = new ClosingStack('together');
    let release: () => void = () => undefined;
    stack.add(() => {
      closed.push('what releases');
      release();
    });
    stack.add(async () => {
      await new Promise<void>((resolve) => (release = resolve));
      closed.push('what waits');
    });
    await stack.close();
    expect(closed).to.deep.equal(['what releases', 'what waits']);
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
  let ended: string[];
  let order: ShutdownOrder;
  const LINES = ['closedLine', 'serviceLog'] as const;
  beforeEach(() => {
    ended = [];
    order = new ShutdownOrder();
    for (const name of ['clients', 'serviceLog', 'closedLine', 'records', 'stores'] as const)
      order[name].add(() => ended.push(name));
  });

  it('ends clients, stores, records and the service log in this order, however they were opened', async () => {
    await order.close();
    expect(ended).to.deep.equal(['clients', 'stores', 'records', ...LINES]);
  });

  it('says that the service is closed before following the configuration has ended', async () => {
    let looked: () => void = () => undefined;
    order.following.add(() =>
      new Promise<void>((resolve) => (looked = resolve)).then(() => ended.push('following')),
    );
    order.closedLine.add(() => {
      setImmediate(looked);
    });
    await order.close();
    expect(ended).to.deep.equal(['clients', 'stores', 'records', 'closedLine', 'following', 'serviceLog']);
  });

  it('closes everything when a record of decisions cannot be closed, fails, and does not say that it is closed', async () => {
    const fault = new Error('the last lines are lost');
    order.records.add(() => Promise.reject(fault));
    expect(await failureOf(order.close())).to.equal(fault);
    expect(ended).to.deep.equal(['clients', 'stores', 'records', 'serviceLog']);
  });

  it('closes once, and everything although a part of it fails', async () => {
    for (const name of ['clients', 'stores', 'records', 'following', 'serviceLog'] as const)
      order[name].add(() => Promise.reject(new Error(name)));
    const failures = await Promise.all([failureOf(order.close()), failureOf(order.close())]);
    for (const failure of failures) expect(failure).to.have.property('message', 'records');
    expect(ended).to.deep.equal(['clients', 'stores', 'records', 'serviceLog']);
  });

  it('goes on, and succeeds, when a store cannot be closed', async () => {
    order.stores.add(() => Promise.reject(new Error('the log reports it')));
    await order.close();
    expect(ended).to.deep.equal(['clients', 'stores', 'records', ...LINES]);
  });
});
