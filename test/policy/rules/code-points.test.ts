import { expect } from 'chai';
import { tests } from '@bufbuild/cel-spec/testdata/conformance.js';
import { outcomeOf } from './support/rule-input.ts';

/** A case of the CEL project's own conformance suite, as far as it is looked at here. */
interface Case {
  readonly name?: string;
  readonly expr: string;
  readonly value?: { readonly boolValue?: boolean };
  readonly evalError?: unknown;
  readonly bindings?: unknown;
  readonly typeEnv?: unknown;
  readonly container?: string;
}

interface Suite {
  readonly name: string;
  readonly tests?: readonly { readonly original: Case }[];
  readonly suites?: readonly Suite[];
}

const casesOf = ({ tests: own = [], suites = [] }: Suite): Case[] => [
  ...own.map(({ original }) => original),
  ...suites.flatMap(casesOf),
];

/** Without variables, and true, false or an error. */
const isPlain = ({ value, evalError, bindings, typeEnv, container }: Case): boolean =>
  bindings === undefined &&
  typeEnv === undefined &&
  container === undefined &&
  (evalError !== undefined || (value !== undefined && 'boolValue' in value));

/** `true`, `false`, `error`, or undefined for what no rule may say. */
function resultOf(expression: string): string | undefined {
  try {
    const outcome = outcomeOf(expression, {});
    return outcome === 'holds' ? 'true' : outcome === 'does not hold' ? 'false' : 'error';
  } catch {
    return undefined;
  }
}

/** Where CEL calls values of different kinds unequal, and a rule does not hold. */
const OF_KINDS: readonly string[] = ['map_key_type_exhaustive'];

describe('policy/rules and CEL', () => {
  const suites = new Map((tests as Suite).suites?.map((suite) => [suite.name, suite]));
  const NAMES = [
    'comparisons',
    'conversions',
    'integer_math',
    'lists',
    'logic',
    'macros',
    'string',
    'string_ext',
    'timestamps',
  ];
  for (const name of NAMES)
    it(`agree on ${name}`, () => {
      agree(name);
    });

  function agree(name: string): void {
    const suite = suites.get(name);
    const cases = suite === undefined ? [] : casesOf(suite).filter(isPlain);
    const judged = cases
      .map((one) => ({ one, result: resultOf(one.expr) }))
      .filter(({ result }) => result !== undefined);
    expect(judged.length).to.be.greaterThan(5);
    const wrong = judged
      .filter(
        ({ one, result }) =>
          result !== (one.evalError === undefined ? String(one.value?.boolValue ?? false) : 'error'),
      )
      .filter(({ one }) => !OF_KINDS.includes(one.name ?? ''))
      .map(({ one, result }) => `${one.name ?? ''}: ${one.expr} is ${String(result)}`);
    expect(wrong).to.deep.equal([]);
  }
});

describe('policy/rules count and order characters, not units', () => {
  const TRUE = [
    'size("😀") == 1 && "a😀b".size() == 3',
    '"😀" > "\\uffee"',
    '"\\uffee" < "😀"',
    '"a😀" > "a\\ue000" && "a😀" >= "a\\uffff"',
    '"😀" < "😁" && "😀" <= "😀" && "😀a" > "😀"',
    '"\\ud7ff" < "\\ue000" && "\\ud7ff" < "😀"',
    '"😀x".indexOf("x") == 1 && "😀😀x".indexOf("x", 2) == 2',
    '"x😀x".lastIndexOf("x") == 2 && "x😀x".lastIndexOf("x", 1) == 0',
    '"😀".indexOf("y") == -1 && "😀".indexOf("😀") == 0',
    '"a😀b".substring(1) == "😀b" && "a😀b".substring(1, 2) == "😀" && "a😀b".substring(3) == ""',
    '"a😀b".split("") == ["a", "😀", "b"]',
    '"a:b:c".split(":", 2) == ["a", "b:c"] && "a:b".split(":", 1) == ["a:b"]',
    '"a:b:c".split(":", 0) == [] && "a:b:c".split(":", -1) == ["a", "b", "c"]',
    '"😀:b:c".split(":", 2)[1] == "b:c"',
    '"😀".matches("^.$")',
  ];
  for (const expression of TRUE) it(expression, () => expect(outcomeOf(expression, {})).to.equal('holds'));

  it('and find no character behind the last one', () => {
    for (const expression of [
      '"😀".substring(2) == ""',
      '"😀".substring(0, 2) == ""',
      '"😀".indexOf("x", 1) == -1',
    ])
      expect(outcomeOf(expression, {}), expression).to.match(/^it fails|no such element/);
  });
});
