/**
 * Every parser that reads what an operator, an issuer or an untrusted client wrote, with texts made of its own words in runs of
 * any length: it throws nothing but its typed error, and its cost grows with the text, not with the square of it.
 */
import { expect } from 'chai';
import fc from 'fast-check';
import { utf8 } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { decodePem } from '../../core/pem.ts';
import { printable, printableJson, printableLines } from '../../core/printable.ts';
import { parseCheckpoint } from '../../tlog/format/checkpoint.ts';
import { parseLogV3Json } from '../../ct-log/format/log-v3-json.ts';
import { parseTlogProof } from '../../tlog/format/tlog-proof.ts';
import { parseVkeys } from '../../tlog/format/vkey.ts';
import { compileRegularExpression } from '../../policy/rules/regular-expression.ts';
import { sha256 } from '../support/parsers.ts';
import { ConfigError } from '../../config/findings/config-error.ts';
import { parseConfig } from '../../config/load/load.ts';
import { readPolicyCases } from '../../config/lists/policy-cases.ts';
import { certificateUri } from '../../oidc/types/certificate-uri.ts';
import { DefinitionError } from '../../oidc/core/definition-error.ts';
import { discover } from '../../oidc/keys/discovery.ts';
import { isEmailAddress } from '../../oidc/types/email-address.ts';
import { joinPath } from '../../core/go/join-path.ts';
import { GoUrlError, parseGoUrl } from '../../core/go/url.ts';
import { IssuerFault } from '../../oidc/keys/issuer-fault.ts';
import { compileIssuerPattern, IssuerPattern, isPlainUrl } from '../../oidc/issuer-pattern.ts';
import { compileJsonPath } from '../../oidc/types/json-path.ts';
import { fetchKeySet } from '../../oidc/keys/key-set.ts';
import { isSpecialUse } from '../../oidc/keys/special-use-address.ts';
import { readTrustDomain, trustDomainOf } from '../../oidc/types/spiffe-id.ts';
import { staticKeys } from '../../oidc/keys/static-keys.ts';
import { compileTemplate } from '../../oidc/template/template.ts';
import { parseToken } from '../../oidc/token.ts';
import { TokenError } from '../../oidc/core/token-error.ts';
import { RuleError } from '../../policy/rules/rule-error.ts';
import { compileRules } from '../../policy/rules/rules.ts';
import { firstJsonValue } from '../../server/http/first-json-value.ts';
import { rawToken } from '../support/raw-token.ts';
import { costOf } from './support/attack.ts';

interface Parser {
  readonly what: string;
  readonly parse: (text: string) => unknown;
  /** The one error that it may throw; undefined when it may throw none. */
  readonly typed?: new (...args: never[]) => Error;
  /** What texts of its language are made of. */
  readonly words: readonly string[];
  /** Longest text that gets so far, in characters; for an operator's files less, since YAML is slow, though in proportion. */
  readonly longest: number;
}

const TOKEN = 32 * 1024;
const CLAIM = 20_000;
const FILE = 3000;
const URLS = [
  'https://',
  'a',
  '.',
  '/',
  '..',
  '%',
  '%2f',
  '@',
  ':',
  '#',
  '?',
  '\\',
  '[',
  ']',
  '*',
  ' ',
  'é',
  '\0',
  '80',
  '-',
];
const YAML = [
  ...[
    'oidc-issuers:\n',
    '  ',
    '- ',
    ': ',
    '"',
    "'",
    '&a ',
    '*a ',
    '<<: ',
    '? ',
    '|\n',
    '>\n',
    '{',
    '}',
    '[',
    ']',
    ',',
    '!!str ',
    '\n',
    '#',
  ],
  ...[
    'mayfly: ',
    'audit: ',
    'to: ',
    'file',
    'rules: ',
    'allow: ',
    '~',
    '1e9',
    'cases:\n',
    'claims: ',
    'expect: ',
    '\t',
    '---\n',
    '...\n',
  ],
];
const url = new URL('https://issuer.example/jwks');
const DISCOVERY = { url: new URL('https://issuer.example/d'), issuer: 'https://issuer.example' };
const document = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
};
const JSONS = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '"keys"',
  '"kty"',
  '"RSA"',
  '"n"',
  '"AQAB"',
  '1',
  '-',
  'e',
  'null',
  '\\u',
  ' ',
];

const NOTES = [
  '\n',
  '\n\n',
  '— ',
  'a',
  ' ',
  'AAAA',
  '=',
  '+',
  '0',
  'index ',
  'extra ',
  'c2sp.org/tlog-proof@v1\n',
];
const EXPRESSIONS = ['(.*/)*x', '((a*)*)*b', '(.*)*@(.*)*', '^(a|aa)+$', '(a?){30}a{30}'].map((source) =>
  compileRegularExpression(source),
);

const PARSERS: readonly Parser[] = [
  {
    what: 'a PEM file',
    parse: decodePem,
    typed: FormatError,
    words: ['-----BEGIN A-----\n', '-----END A-----', '-----BEGIN ', 'A', ' ', '\n', ':', '-', '\t', '='],
    longest: 1024 * 1024,
  },
  {
    what: 'a checkpoint',
    parse: (text) => parseCheckpoint(utf8(text)),
    typed: FormatError,
    words: NOTES,
    longest: 256 * 1024,
  },
  {
    what: 'an inclusion proof',
    parse: (text) => parseTlogProof(utf8(text)),
    typed: FormatError,
    words: NOTES,
    longest: 256 * 1024,
  },
  {
    what: 'keys of logs',
    parse: (text) => parseVkeys(sha256, text),
    typed: FormatError,
    words: ['+', 'a', '0', '00000000', 'AAAA', '=', '\n', '\r\n'],
    longest: 256 * 1024,
  },
  {
    what: 'a description of a log',
    parse: (text) => parseLogV3Json(sha256, text),
    typed: FormatError,
    words: JSONS,
    longest: 256 * 1024,
  },
  {
    what: 'a name that is held against expressions',
    parse: (text) => EXPRESSIONS.map((expression) => [expression.isAllOf(text), expression.isFoundIn(text)]),
    words: ['a', '/', '@', 'aa', 'b', 'x', '\n', 'é'],
    longest: CLAIM,
  },
  {
    what: 'a text that is shown',
    parse: (text) => [printable(text), printableLines(text), printableJson(JSON.stringify(text))],
    words: ['a', '\x1b[', '\n', '\u202e', '\u{e0041}', '\ud800', '\u00ad', ' '],
    longest: 64 * 1024,
  },
  {
    what: 'a token',
    parse: parseToken,
    typed: TokenError,
    words: ['.', 'e30', 'eyJ', 'A', '=', '-', '_', ' ', 'ey', '\0', 'é'],
    longest: TOKEN,
  },
  {
    what: 'the payload of a token',
    parse: (text) => parseToken(rawToken({ alg: 'ES256' }, `{"iss":"x","x":${text}}`)),
    typed: TokenError,
    words: JSONS,
    longest: CLAIM,
  },
  { what: 'a request', parse: firstJsonValue, words: JSONS, longest: 256 * 1024 },
  {
    what: 'an e-mail address',
    parse: isEmailAddress,
    words: ['"', '@', 'a', '.', ' ', '\r\n', '\t', '\\(', '(', 'é', '-', '\\', '_'],
    longest: CLAIM,
  },
  {
    what: 'a SPIFFE id',
    parse: trustDomainOf,
    words: ['spiffe://', 'a', '/', '.', '..', '%', '@', ':', 'A', '_', '\n'],
    longest: CLAIM,
  },
  {
    what: 'a trust domain',
    parse: readTrustDomain,
    words: ['spiffe://', ':/', 'a', '/', '.', 'A', '\n'],
    longest: CLAIM,
  },
  { what: "a URL as Go's", parse: parseGoUrl, typed: GoUrlError, words: URLS, longest: CLAIM },
  {
    what: 'a path that is joined',
    parse: (text) => joinPath('https://a.example/b', text),
    typed: GoUrlError,
    words: URLS,
    longest: CLAIM,
  },
  { what: 'the URI of a certificate', parse: certificateUri, typed: TokenError, words: URLS, longest: CLAIM },
  { what: 'a URL that is held against patterns', parse: isPlainUrl, words: URLS, longest: CLAIM },
  { what: 'a pattern', parse: compileIssuerPattern, typed: DefinitionError, words: URLS, longest: CLAIM },
  {
    what: 'a URL against patterns with many stars',
    parse: (text) => PATTERNS.map((pattern) => pattern.matches(text)),
    words: ['https://', 'a', 'aa', 'ab', '.', '/', '-'],
    longest: CLAIM,
  },
  {
    what: 'an address',
    parse: isSpecialUse,
    words: ['1', '.', ':', '::', 'f', '%', '255', '0x', '/'],
    longest: CLAIM,
  },
  {
    what: 'a JSON path',
    parse: compileJsonPath,
    typed: DefinitionError,
    words: ['$', '.', 'a', "['", "']", '[', '0', ']', '*', '"', '@', '\\'],
    longest: CLAIM,
  },
  {
    what: 'a template',
    parse: (text) => compileTemplate(text)(() => 'x'),
    typed: DefinitionError,
    words: [
      '{{',
      '}}',
      '{{-',
      '-}}',
      ' ',
      '.a',
      'if',
      'else',
      'end',
      'eq',
      'and',
      'index',
      '(',
      ')',
      '|',
      '"',
      '`',
      '/*',
      '*/',
      'x',
      '1',
      '\n',
      '.',
      '\\',
    ],
    longest: CLAIM,
  },
  {
    what: 'a rule',
    parse: (expression) => compileRules([{ name: 'r', effect: 'allow', expression }]),
    typed: RuleError,
    words: [
      'claims',
      '.a',
      '[',
      ']',
      '(',
      ')',
      '"',
      "'",
      '==',
      '&&',
      '||',
      '!',
      '?',
      ':',
      '1',
      '-',
      '.exists(',
      'x, ',
      'true',
      ' in ',
      '{',
      '}',
      '\\',
      '// ',
      '\n',
      '.matches("',
      'r"',
      '"""',
      '0x',
    ],
    longest: CLAIM,
  },
  {
    what: 'a discovery document',
    parse: (text) => discover(DISCOVERY, () => Promise.resolve(document(text))),
    typed: IssuerFault,
    words: [...JSONS, '"issuer"', '"https://issuer.example"', '"jwks_uri"'],
    longest: 256 * 1024,
  },
  {
    what: 'a key set',
    parse: (text) => fetchKeySet(url, () => Promise.resolve(document(text))),
    typed: IssuerFault,
    words: JSONS,
    longest: 512 * 1024,
  },
  {
    what: 'a key set of the operator',
    parse: (text) =>
      staticKeys(document(text), { kind: 'inline', jwks: undefined }, 'https://issuer.example'),
    typed: DefinitionError,
    words: JSONS,
    longest: 512 * 1024,
  },
  {
    what: 'a configuration',
    parse: (text) => parseConfig(text),
    typed: ConfigError,
    words: YAML,
    longest: FILE,
  },
  {
    what: 'the audit of a configuration',
    parse: (text) => parseConfig(`mayfly:\n  audit: ${text}`),
    typed: ConfigError,
    words: [...YAML, 'syslog', 'stdout', 'fail-closed: '],
    longest: FILE,
  },
  {
    what: 'a file of cases',
    parse: (text) => readPolicyCases(text, 'cases.yaml'),
    typed: ConfigError,
    words: YAML,
    longest: FILE,
  },
];
const PATTERNS = [
  'https://*.*.*.*.*.*',
  'https://*a*a*a*a*a*b',
  `https://${'*aab'.repeat(60)}`,
  `https://*/${'*-'.repeat(100)}*`,
].map((text) => new IssuerPattern(text));

/** Runs the parser; a typed error is as good as a result. */
async function run({ parse, typed }: Parser, text: string): Promise<void> {
  try {
    await parse(text);
  } catch (error) {
    if (typed === undefined || !(error instanceof typed)) throw error;
  }
}

/** Microseconds of the processor for looking at each of a million characters, on this machine, now. */
async function measure(): Promise<number> {
  const text = 'abcdefghij'.repeat(100_000);
  return costOf(() => {
    let sum = 0;
    for (let i = 0; i < text.length; i++) sum += text.charCodeAt(i);
    return Promise.resolve(sum);
  });
}

/** Times a million characters looked at. Work in proportion to the text is far below it, its square far above. */
const ALLOWED = 40;
const TRIES = 3;

async function expectBounded(parser: Parser, text: string): Promise<void> {
  for (let left = TRIES; ; left--) {
    const bound = ALLOWED * Math.max(await measure(), 1000);
    const cost = await costOf(() => run(parser, text));
    if (cost <= bound) return;
    if (left === 0)
      expect.fail(`${cost} µs for ${text.length} characters: ${JSON.stringify(text.slice(0, 60))}`);
  }
}

describe('hostile: parsers', function () {
  this.timeout(60_000);

  for (const parser of PARSERS) {
    const { what, words, longest } = parser;

    it(`of ${what}: throw nothing but their typed error`, async () => {
      const piece = fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(...words) },
        { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 3 }) },
        {
          weight: 1,
          arbitrary: fc
            .tuple(fc.constantFrom(...words), fc.integer({ min: 2, max: 300 }))
            .map(([word, times]) => word.repeat(times)),
        },
      );
      const text = fc.array(piece, { maxLength: 25 }).map((pieces) => pieces.join(''));
      await fc.assert(
        fc.asyncProperty(text, (made) => run(parser, made)),
        { numRuns: 150 },
      );
    });

    it(`of ${what}: cost no more than in proportion`, async () => {
      const [first = ''] = words;
      for (const word of words) {
        const run = (unit: string): string => unit.repeat(Math.ceil(longest / unit.length)).slice(0, longest);
        await expectBounded(parser, run(word));
        await expectBounded(parser, first + run(word).slice(first.length + 1) + '!');
      }
      const pairs = words.slice(0, 6).flatMap((one) => words.slice(0, 6).map((other) => one + other));
      for (const pair of pairs)
        await expectBounded(parser, first + pair.repeat(Math.ceil(longest / pair.length / 2)));
    });
  }
});
