/** Documents about trust that other programs made and took: read whole, written again as they were. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect } from 'chai';
import { FormatError } from '../../../core/errors.ts';
import {
  encodeClientTrustConfig,
  encodeSigningConfig,
  parseClientTrustConfig,
  parseSigningConfig,
} from '../../../trust/format/signing-config.ts';
import { encodeTrustedRoot, isWithin, parseTrustedRoot } from '../../../trust/format/trusted-root.ts';

const SHAPES = ['ca-only', 'tsa', 'rekor1', 'rekor1-tsa', 'rekor2'];
const shape = (name: string): string => readFileSync(`test/vectors/trust-shapes/${name}`, 'utf8');
const json = (text: string): unknown => JSON.parse(text);

/** The trusted roots of the public instances, as sigstore-js carries them. */
function publicRoots(): readonly string[] {
  const seeds = createRequire(import.meta.url)('@sigstore/tuf/seeds.json') as Record<
    string,
    { targets: Record<string, string> }
  >;
  return Object.values(seeds).map(({ targets }) =>
    Buffer.from(targets['trusted_root.json'] ?? '', 'base64').toString(),
  );
}

describe('trust/format', () => {
  for (const name of SHAPES) {
    it(`reads and writes the files of ${name}`, () => {
      const [root, config, both] = ['trusted_root', 'signing_config', 'client_trust_config'].map((file) =>
        shape(`${name}/${file}.json`),
      ) as [string, string, string];
      expect(json(encodeTrustedRoot(parseTrustedRoot(root)))).to.deep.equal(json(root));
      expect(json(encodeSigningConfig(parseSigningConfig(config)))).to.deep.equal(json(config));
      expect(json(encodeClientTrustConfig(parseClientTrustConfig(both)))).to.deep.equal(json(both));
    });
  }

  it('reads the trusted roots of the public instances', () => {
    const roots = publicRoots();
    expect(roots).to.have.length.greaterThan(0);
    for (const text of roots) {
      const root = parseTrustedRoot(text);
      expect(root.certificateAuthorities).to.have.length.greaterThan(0);
      expect(root.certificateLogs).to.have.length.greaterThan(0);
      expect(parseTrustedRoot(encodeTrustedRoot(root)).certificateLogs).to.have.length(
        root.certificateLogs.length,
      );
    }
  });

  const good = json(shape('tsa/trusted_root.json')) as Record<string, unknown>;
  const changed = (change: Record<string, unknown>): string => JSON.stringify({ ...good, ...change });
  const [log] = good['ctlogs'] as [Record<string, unknown>];
  const [ca] = good['certificateAuthorities'] as [Record<string, unknown>];
  const withKey = (one: Record<string, unknown>): Record<string, unknown> => ({
    ...one,
    publicKey: { ...(one['publicKey'] as Record<string, unknown>), rawBytes: 'AAAA' },
  });
  const refused: readonly [what: string, text: string, message: RegExp][] = [
    ['text behind the document', `${shape('tsa/trusted_root.json')}x`, /not JSON/],
    ['an unknown member', changed({ ctLogs: [] }), /ctLogs is not known/],
    ['an unknown member below', changed({ ctlogs: [{ ...log, more: 1 }] }), /ctlogs\[0\]\.more is not known/],
    ['a member twice', `{"tlogs":[],"tlogs":[],${JSON.stringify(good).slice(1)}`, /names "tlogs" twice/],
    ['a member in two spellings', changed({ certificate_authorities: [] }), /two spellings/],
    ['another media type', changed({ mediaType: 'application/json' }), /media type/],
    ['a list that is none', changed({ ctlogs: {} }), /ctlogs is not a list/],
    ['a log without an id', changed({ ctlogs: [{ ...log, logId: null }] }), /ctlogs\[0\]\.logId is missing/],
    [
      'an unknown hash',
      changed({ ctlogs: [{ ...log, hashAlgorithm: 'SHA2_512' }] }),
      /hashAlgorithm is none of/,
    ],
    ['no certificate', changed({ certificateAuthorities: [{ ...ca, certChain: {} }] }), /has no certificate/],
    ['bad base64', changed({ ctlogs: [{ ...log, logId: { keyId: 'a?==' } }] }), /keyId is not base64/],
    [
      'a window without a start',
      changed({ certificateAuthorities: [{ ...ca, validFor: {} }] }),
      /start is missing/,
    ],
    [
      'a day that does not exist',
      changed({ certificateAuthorities: [{ ...ca, validFor: { start: '2026-02-30T00:00:00Z' } }] }),
      /RFC 3339/,
    ],
    ['one log id for two keys', changed({ ctlogs: [log, withKey(log)] }), /two keys for the log id/],
    ['one id for two keys of Rekor', changed({ tlogs: [withKey(log), log] }), /two keys for the log id/],
    ['endless depth', '['.repeat(100_000) + ']'.repeat(100_000), /nested deeper/],
    ['a list without end', changed({ ctlogs: Array.from({ length: 1025 }, () => log) }), /more than 1024/],
  ];
  for (const [what, text, message] of refused)
    it(`refuses ${what}`, () => {
      expect(() => parseTrustedRoot(text)).to.throw(FormatError, message);
    });

  it('takes what Protobuf takes: names of the .proto file, numbers of enumerations, URL-safe base64, null', () => {
    const { certificateAuthorities, ...rest } = good;
    const id = (log['logId'] as { keyId: string }).keyId
      .replace(/\+/g, '-')
      .replace(/\//g, '_')
      .replace(/=/g, '');
    const text = JSON.stringify({
      ...rest,
      certificate_authorities: certificateAuthorities,
      tlogs: null,
      ctlogs: [{ ...log, logId: { keyId: id }, hashAlgorithm: 1 }],
    });
    expect(json(encodeTrustedRoot(parseTrustedRoot(text)))).to.deep.equal(good);
  });

  it('counts both ends of a window', () => {
    expect([1, 2, 3, 4, 5].map((time) => isWithin({ start: 2, end: 4 }, time))).to.deep.equal([
      false,
      true,
      true,
      true,
      false,
    ]);
    expect(isWithin({ start: 2 }, Number.MAX_SAFE_INTEGER)).to.equal(true);
  });
});
