import { expect } from 'chai';
import { entryMatcher, readEntry, type EntryQuery } from '../../ct-log/entry-search.ts';
import type { TileLeaf } from '../../ct-log/format/leaf.ts';
import { loggedTbs } from '../../ct-log/logged-tbs.ts';
import { certificateFacts } from '../../search/entry-facts.ts';
import { opensslCertificate } from '../support/certificates.ts';

describe('ct-log/logged-certificate', () => {
  const leafOf = (...extensions: string[]): TileLeaf => {
    const der = opensslCertificate(['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], '/CN=x', extensions);
    const entry = { type: 'precert', issuerKeyHash: new Uint8Array(32), tbs: loggedTbs(der) } as const;
    return { entry, timestamp: 1, extensions: new Uint8Array() } as unknown as TileLeaf;
  };
  const isFound = (leaf: TileLeaf, query: EntryQuery): boolean => {
    const read = readEntry(leaf, 0);
    return 'unreadable' in read || entryMatcher(query)(read);
  };
  const names = 'email:harmless@example.com,email:victim@example.com,DNS:victim.example.com,IP:192.0.2.1';

  it('is found by every name that a verifier may take it for, and shows them', () => {
    const leaf = leafOf(`subjectAltName=${names}`);
    for (const name of ['harmless@example.com', 'VICTIM@example.com', 'victim.example.com', '192.0.2.1']) {
      expect(isFound(leaf, { identity: name }), name).to.equal(true);
      expect(isFound(leaf, { identityPrefix: name.slice(0, -2) }), name).to.equal(true);
      const identityMatches = (one: string): boolean => one === name.toLowerCase();
      expect(isFound(leaf, { identityMatches }), name).to.equal(true);
    }
    expect(isFound(leaf, { identity: 'nobody@example.com' })).to.equal(false);
    const facts = certificateFacts(readEntry(leaf, 0));
    expect(facts['identity']).to.equal('harmless@example.com');
    expect(facts['names']).to.have.length(4).and.to.include('victim.example.com');
    const dns = certificateFacts(readEntry(leafOf('subjectAltName=DNS:victim.example.com'), 0));
    expect(dns['identity']).to.equal('victim.example.com');
  });

  it('is found by both of its issuers', () => {
    const [older, newer] = ['https://older.example', 'https://newer.example'];
    const leaf = leafOf(
      `1.3.6.1.4.1.57264.1.1=DER:${Buffer.from(older).toString('hex')}`,
      `1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:${newer}`,
    );
    for (const issuer of [older, newer]) expect(isFound(leaf, { issuer }), issuer).to.equal(true);
    expect(certificateFacts(readEntry(leaf, 0))['issuers']).to.deep.equal([older, newer]);
  });

  it('is passed over by no search when it has more names than are read', () => {
    const many = Array.from({ length: 65 }, (_, i) => `email:a${i}@example.com`).join(',');
    const read = readEntry(leafOf(`subjectAltName=${many}`), 0);
    expect('unreadable' in read && read.unreadable).to.match(/more than 64 names/);
  });
});
