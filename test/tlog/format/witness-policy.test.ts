import { expect } from 'chai';
import fc from 'fast-check';
import { FormatError } from '../../../core/errors.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { encodeVkey, makeVkey } from '../../../tlog/format/vkey.ts';
import { isQuorum, parseWitnessPolicy } from '../../../tlog/format/witness-policy.ts';
import { generateKeyPairSync } from 'node:crypto';
import { runs } from '../../support/runs.ts';

const rawKey = (): Uint8Array =>
  generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
const witnessKey = (name: string): string => encodeVkey(makeVkey(sha256, name, 'cosignature', rawKey()));
const logKey = encodeVkey(makeVkey(sha256, 'log.example.org', 'ed25519', rawKey()));
const KEYS = ['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3'].map(
  (name) => [name, witnessKey(`${name}.example.org`)] as const,
);
const [[, firstKey] = ['', '']] = KEYS;

/** The example of the specification. */
const EXAMPLE = [
  `log ${logKey} https://log.example.org`,
  '',
  '# X',
  ...KEYS.map(([name, key]) => `\twitness  ${name} ${key}\thttps://${name}.example.org `),
  'group X-witnesses 2 X1 X2 X3',
  'group Y-witnesses any Y1 Y2 Y3',
  'group X-and-Y all X-witnesses Y-witnesses',
  'quorum X-and-Y',
].join('\n');

describe('tlog/format/witness-policy', () => {
  const parse = (text: string) => parseWitnessPolicy(sha256, text);

  it('reads the example of the specification, and counts as it says', () => {
    const policy = parse(EXAMPLE);
    expect([policy.logs.length, policy.witnesses.length, policy.groups.size]).to.deep.equal([1, 6, 3]);
    expect(policy.witnesses[0]).to.deep.include({ name: 'X1', url: 'https://X1.example.org' });
    for (const [names, enough] of [
      [['X1', 'X2', 'Y1'], true],
      [['X2', 'X3', 'Y3'], true],
      [['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3'], true],
      [['X1', 'X2', 'X3'], false],
      [['X1', 'Y1', 'Y2', 'Y3'], false],
      [['X1', 'X1', 'Y1'], false],
      [[], false],
      [['somebody', 'else'], false],
    ] as const)
      expect([names, isQuorum(policy, new Set(names))]).to.deep.equal([names, enough]);
  });

  it('needs nobody for "none", and one for a witness', () => {
    expect(isQuorum(parse('quorum none\n'), new Set())).to.equal(true);
    const one = parse(`witness w ${firstKey}\nquorum w`);
    expect([new Set<string>(), new Set(['w'])].map((names) => isQuorum(one, names))).to.deep.equal([
      false,
      true,
    ]);
  });

  for (const [what, text, problem] of [
    ['no quorum', `witness w ${firstKey}`, /needs a line "quorum/],
    ['two quorums', 'quorum none\nquorum none', /line 2 .*a quorum already/],
    ['a quorum that is not defined', 'quorum w', /what a line before it defines/],
    ['a quorum that is defined later', `quorum w\nwitness w ${firstKey}`, /line 1/],
    ['a name twice', `witness w ${firstKey}\ngroup w any w\nquorum w`, /name is taken/],
    ['the name none', `witness none ${firstKey}\nquorum none`, /name is taken/],
    [
      'a key twice',
      `witness a ${firstKey}\nwitness b ${firstKey}\nquorum none`,
      /line 2 .*key stands there twice/,
    ],
    ['a member twice', `witness a ${firstKey}\ngroup g any a\ngroup h any a\nquorum g`, /member twice/],
    ['a member that is not defined', 'group g any a\nquorum g', /names what no line before it defines/],
    ['a group that names itself', 'group g any g\nquorum g', /names what no line before it defines/],
    ['a threshold of none', `witness a ${firstKey}\ngroup g 0 a\nquorum g`, /from 1 to that of its members/],
    [
      'a threshold beyond the members',
      `witness a ${firstKey}\ngroup g 2 a\nquorum g`,
      /from 1 to that of its members/,
    ],
    [
      'a threshold in other digits',
      `witness a ${firstKey}\ngroup g 01 a\nquorum g`,
      /from 1 to that of its members/,
    ],
    ['a group of nobody', 'group g any\nquorum g', /a group is/],
    ['another word', 'witnesses a b', /none of log, witness, group and quorum/],
    ['the key of a log for a witness', `witness w ${logKey}\nquorum w`, /one for cosignatures/],
    ['the key of a witness for a log', `log ${firstKey}\nquorum none`, /not one for cosignatures/],
    ['a key that is none', 'witness w x\nquorum w', /line 1 .*verifier key/],
    ['a carriage return', 'quorum none\r\n', /control characters/],
    ['a word too much', `witness w ${firstKey} https://x y\nquorum w`, /a witness is/],
    ['lines without end', '\n'.repeat(2000), /too many lines/],
  ] as const)
    it(`refuses ${what}`, () => {
      expect(() => parse(text)).to.throw(FormatError, problem);
    });

  it('throws its one error for any text', () => {
    const words = fc.constantFrom(
      'log',
      'witness',
      'group',
      'quorum',
      'any',
      'all',
      '1',
      'none',
      'X1',
      firstKey,
      logKey,
      '#',
    );
    const line = fc.array(fc.oneof(words, fc.string()), { maxLength: 6 }).map((parts) => parts.join(' '));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        try {
          const policy = parse(lines.join('\n'));
          isQuorum(policy, new Set(['X1']));
        } catch (error) {
          expect(error).to.be.instanceOf(FormatError);
        }
      }),
      { numRuns: runs(1000) },
    );
  });
});
