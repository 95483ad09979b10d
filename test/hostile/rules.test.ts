/** Attacks on rules: texts that ruin other engines, claims that mean something to the machine, work without end. */
import { expect } from 'chai';
import { emailDefinition } from '../support/issuer-definitions.ts';
import type { Reason } from '../../server/reasons/problem.ts';
import { attack, itRefuses, type Attack } from './support/attack.ts';
import { issuerBlock, startWorld, type World } from './support/world.ts';

/** A rule that allows, claims under which it is asked, and what comes of it. */
interface Row {
  readonly what: string;
  readonly allow: string;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly outcome: Reason | 'issued';
}

const LONG = 20_000;
const ALMOST = `${'a'.repeat(LONG)}!`;
/** As many elements as fit into the longest token. */
const ONES = Array.from({ length: 8_000 }, () => 1);

/** Ruinous for engines that go back (CWE-1333). */
const LINEAR = [
  ...['^(a+)+$', '^(a|a)*$', '^(a|aa)+$', '^((a*)*)*$', '([a-zA-Z]+)*$', '^(([a-z])+.)+[A-Z]$'],
  ...['^(?:a+){10}$', '(x+x+)+y', '\\\\s+$', '^(a|b|ab)*c$'],
];
/** In linear time too, but with more states than are kept. */
const COSTLY = ['(.*a){12}b', '^(.*?,){11}P', '(a?){60}a{60}$'];

const MACHINE: Readonly<Record<string, unknown>> = JSON.parse(
  '{"x":{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"toString":"t","valueOf":1,"then":"y",' +
    '"$typeName":"google.protobuf.Duration","$unknown":[],"seconds":"5","hasOwnProperty":true,"length":9,"size":9}}',
) as Record<string, unknown>;

const ROWS: readonly Row[] = [
  ...[...LINEAR, ...COSTLY].map((pattern) => ({
    what: `${LONG} letters against ${pattern}`,
    allow: `claims.x.matches("${pattern}") && false`,
    claims: { x: ALMOST },
    outcome: COSTLY.includes(pattern) ? ('RULE_FAILED' as const) : ('NO_RULE_ALLOWS' as const),
  })),
  {
    what: 'a pattern of many states',
    allow: 'claims.x.matches("^(a|b)*a(a|b){14}c$")',
    claims: { x: 'abbabaab'.repeat(LONG / 8) },
    outcome: 'RULE_FAILED',
  },
  {
    what: 'each with each',
    allow: 'claims.l.exists(x, claims.l.exists(y, x != y))',
    claims: { l: ONES },
    outcome: 'RULE_FAILED',
  },
  {
    what: 'work that is thrown away',
    allow: 'claims.l.all(x, claims.l.all(y, x == y)) || true',
    claims: { l: ONES },
    outcome: 'RULE_FAILED',
  },
  {
    what: 'a text that doubles',
    allow: `[claims.x]${'.map(x, x + x)'.repeat(30)}.size() == 1`,
    claims: { x: ALMOST },
    outcome: 'RULE_FAILED',
  },
  {
    what: 'a long list',
    allow: 'claims.l.exists(x, x == 2)',
    claims: { l: ONES },
    outcome: 'NO_RULE_ALLOWS',
  },
  {
    what: 'a number where a text should be',
    allow: 'claims.x.startsWith("a")',
    claims: { x: 7 },
    outcome: 'RULE_FAILED',
  },
  {
    what: 'a list where a text should be',
    allow: 'claims.x == "admin"',
    claims: { x: ['admin'] },
    outcome: 'NO_RULE_ALLOWS',
  },
  { what: 'a text where a bool should be', allow: 'claims.x', claims: { x: 'true' }, outcome: 'RULE_FAILED' },
  { what: 'nothing where a claim should be', allow: 'claims.y == "a"', claims: {}, outcome: 'RULE_FAILED' },
  {
    what: 'a text with a NUL behind the right one',
    allow: 'claims.x == "admin"',
    claims: { x: 'admin\0' },
    outcome: 'NO_RULE_ALLOWS',
  },
  {
    what: 'a look-alike of the right text',
    allow: 'claims.x == "admin"',
    claims: { x: 'аdmin' },
    outcome: 'NO_RULE_ALLOWS',
  },
  {
    what: 'two lines, the second of which fits',
    allow: 'claims.x.matches("^admin$")',
    claims: { x: 'x\nadmin' },
    outcome: 'NO_RULE_ALLOWS',
  },
  {
    what: 'a line break behind the right text',
    allow: 'claims.x.matches("^admin$")',
    claims: { x: 'admin\n' },
    outcome: 'NO_RULE_ALLOWS',
  },
  {
    what: 'a member of the prototype',
    allow: 'has(claims.x.admin)',
    claims: MACHINE,
    outcome: 'NO_RULE_ALLOWS',
  },
  {
    what: 'a member of all objects',
    allow: 'has(claims.toString) || has(claims.constructor)',
    claims: {},
    outcome: 'NO_RULE_ALLOWS',
  },
  {
    what: 'a claim that says it is a duration',
    allow: 'claims.x == duration("5s")',
    claims: MACHINE,
    outcome: 'NO_RULE_ALLOWS',
  },
  {
    what: 'names of the machine, as names',
    allow:
      'claims.x["$typeName"] == "google.protobuf.Duration" && claims.x["__proto__"].admin && claims.x.length == 9 && ' +
      'claims.x["constructor"].prototype.admin && claims.x.toString == "t" && claims.x.size() == 11',
    claims: MACHINE,
    outcome: 'issued',
  },
  {
    what: 'an expression in a claim',
    allow: 'claims.x == "true || true"',
    claims: { x: 'true' },
    outcome: 'NO_RULE_ALLOWS',
  },
];

describe('hostile: rules', () => {
  let world: World;
  before(async () => {
    world = await startWorld({
      issuers: (url) => [
        issuerBlock(emailDefinition(url, { name: 'people' })),
        ...ROWS.map(({ allow }, i) =>
          issuerBlock(emailDefinition(url, { name: `rule ${i}`, audiences: [`rule ${i}`] }), {
            rules: [{ name: 'the rule', effect: 'allow', expression: allow }],
          }),
        ),
      ],
    });
  });
  after(() => world.close());

  const attacks: readonly Attack[] = ROWS.map(({ what, claims, outcome }, i) =>
    attack(what, (w) => w.honest({ ...claims, aud: `rule ${i}` }), outcome),
  );
  itRefuses(() => world, attacks);

  it('show the person refused nothing of the claims', () => {
    const said = JSON.stringify(world.service.lines);
    expect(said).not.to.contain('aaaaaaaa');
    expect(said).not.to.contain('аdmin');
  });
});
