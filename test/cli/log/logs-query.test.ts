import { expect } from 'chai';
import { logsQueryOf } from '../../../cli/log/logs-query.ts';
import type { SearchableEntry } from '../../../search/searchable-log.ts';

const certificate = (notAfter: number): SearchableEntry => ({
  entry: { index: 0, leafHash: new Uint8Array(32), body: new Uint8Array(), namedDigests: [] },
  time: 0,
  facts: () => ({}),
  owners: () => [{ key: 'ab', serial: '01', notBefore: 0, notAfter }],
  digest: () => undefined,
});

describe('cli/log/logs-query', () => {
  it('takes a certificate for unused when it has ended and nothing was signed with its key', async () => {
    const { isUsedSo, join, isWanted } = await logsQueryOf({ unused: true });
    const [ended, live] = [certificate(Date.now() - 1000), certificate(Date.now() + 600_000)];
    expect([isUsedSo(0, ended), isUsedSo(0, live), isUsedSo(1, ended)]).to.deep.equal([true, false, false]);
    expect([join, isWanted('certificates'), isWanted('v1')]).to.deep.equal([true, true, false]);
  });

  it('counts more uses than asked for, whether the certificate lives or not', async () => {
    const { isUsedSo } = await logsQueryOf({ usedMoreThan: '1' });
    const live = certificate(Date.now() + 600_000);
    expect([0, 1, 2].map((uses) => isUsedSo(uses, live))).to.deep.equal([false, false, true]);
  });
});
