import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { concat, toHex } from '../../core/bytes.ts';
import { parseCertificate } from '../../core/certificate.ts';
import type { CtLog } from '../../ct-log/ct-log.ts';
import type { CertificateEntry } from '../../search/certificate-entries.ts';
import type { SearchIndex } from '../../search/search-index.ts';
import type { SearchCondition } from '../../search/search-keys.ts';
import { openCertificateSearch } from '../../service/open-searches.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { issuingLog, type IssuingLog } from '../ct-log/support/issuing-log.ts';
import { entry } from '../ct-log/support/test-log.ts';

describe('search/certificate-entries', function () {
  this.timeout(60_000);
  let test: IssuingLog;
  let log: CtLog;
  let certificates: readonly Uint8Array[];
  let search: SearchIndex<CertificateEntry>;
  before(async () => {
    test = await issuingLog();
    const { log: opened, issued } = await test.issue(3);
    log = opened;
    certificates = issued.map(({ certificate }) => certificate);
    // What is no certificate is found by nothing, and hides nothing.
    const chainFingerprints = concat(test.ca.authority.chain.map(sha256));
    await log.append({ ...entry(1), chainFingerprints });
    search = openCertificateSearch(log, test.directory);
  });
  after(async () => {
    await search.close();
    await test.remove();
  });

  const found = async (...conditions: SearchCondition[]): Promise<readonly CertificateEntry[]> =>
    (await search.search({ conditions, match: 'all', limit: 100 })).entries;
  const hex = (bytes: Uint8Array): string => toHex(sha256(bytes));

  it('finds certificates of the log by all that they say, and by the precertificate that is logged', async () => {
    const { serial, spki } = parseCertificate(certificates[0] ?? new Uint8Array());
    const [first] = await found({ by: 'serial', value: toHex(serial) });
    const { precertificate = new Uint8Array() } = first ?? {};
    const all: SearchCondition[] = [
      { by: 'name', value: 'ALICE@example.org' },
      { by: 'name-prefix', value: 'alice@' },
      { by: 'issuer', value: 'https://issuer.example.org' },
      { by: 'extension', value: '8=https://issuer.example.org' },
      { by: 'key', value: hex(spki) },
    ];
    for (const condition of all)
      expect(
        (await found(condition)).map(({ index }) => index),
        condition.by,
      ).to.have.members([0, 1, 2]);
    const one = await found({ by: 'certificate', value: hex(precertificate) });
    expect(one.map(({ index }) => index)).to.deep.equal([first?.index]);
    expect(await found({ by: 'extension', value: '12=https://issuer.example.org' })).to.deep.equal([]);
    expect(await found({ by: 'certificate', value: hex(certificates[0] ?? new Uint8Array()) })).to.deep.equal(
      [],
    );
  });

  it('finds in a part of the log alone', async () => {
    const query = { conditions: [{ by: 'name-prefix', value: 'alice' }], match: 'all', limit: 100 } as const;
    const part = await search.search({ ...query, from: 1, before: 2 });
    expect(part.entries.map(({ index }) => index)).to.deep.equal([1]);
    expect(part.before).to.equal(undefined);
    const page = await search.search({ ...query, from: 1, limit: 1 });
    expect(page.entries.map(({ index }) => index)).to.deep.equal([2]);
    expect(page.before).to.equal(2);
  });

  it('is made anew when it was deleted', async () => {
    await search.close();
    for (const suffix of ['', '-wal', '-shm'])
      rmSync(join(test.directory, `search.db${suffix}`), { force: true });
    search = openCertificateSearch(log, test.directory);
    expect(await found({ by: 'name', value: 'alice@example.org' })).to.have.length(3);
    await test.issueWith(log, 1);
    expect(await found({ by: 'name', value: 'alice@example.org' })).to.have.length(4);
  });
});
