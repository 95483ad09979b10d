import { expect } from 'chai';
import { connectPostgres, PostgresFault } from '../../storage/postgres.ts';
import { freePort } from '../../bench/free-port.ts';

describe('storage/postgres', () => {
  it('says of a database that cannot be reached where it was looked for, and what to look at', async () => {
    const port = await freePort();
    const place = { url: `postgres://somebody@127.0.0.1:${port}/mayfly` };
    const session = connectPostgres(place, { application: 'test', deadlineMs: 2_000 });
    const fault: unknown = await session.catch((error: unknown) => error);
    expect(fault).to.be.instanceOf(PostgresFault).with.property('code', 'UNKNOWN');
    const { message, hint = '' } = fault as PostgresFault;
    expect(message).to.contain(`127.0.0.1:${port}`);
    expect(hint).to.contain('mayfly.log.store');
  });
});
