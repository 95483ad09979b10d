/** Claims that are used as what they are not: text as a number or a bool, a list as text. No token of the provider lets
 * such a rule do what it says. */
import type { ClaimKind } from '../providers/claim-shape.ts';
import { knownShape, literalKind, type Known } from './known-shape.ts';
import type { Expr } from './syntax.ts';
import { callOf, type Weakness, type RuleUnderCheck } from './rule-under-check.ts';

/** The uses of claims of another kind: no rule that allows holds by that, and one that denies fails. */
export const unlikeKinds = (checked: RuleUnderCheck): Weakness[] => [
  ...checked.nodes.flatMap((node) => USES.flatMap((use) => use(node, checked))),
  ...asTruth(checked.expression.syntax.root, checked),
];

type Use = (node: Expr, checked: RuleUnderCheck) => Weakness[];

const EQUALITIES: ReadonlySet<string> = new Set(['_==_', '_!=_']);
const ORDERS: ReadonlySet<string> = new Set(['_<_', '_<=_', '_>_', '_>=_']);
const TEXT_METHODS: ReadonlySet<string> = new Set([
  ...[
    'startsWith',
    'endsWith',
    'contains',
    'matches',
    'lowerAscii',
    'upperAscii',
    'trim',
    'split',
    'substring',
  ],
  ...['indexOf', 'lastIndexOf'],
]);

const USES: readonly Use[] = [
  function equality(node, checked) {
    const call = callOf(node);
    if (call === undefined || !EQUALITIES.has(call.function)) return [];
    const known = call.args.map((side) => knownShape(side, checked)).find((side) => side !== undefined);
    return known === undefined ? [] : unlike(known, call.args);
  },
  function membership(node, checked) {
    const call = callOf(node);
    const [element, container] = call?.function === '@in' ? call.args : [];
    if (element === undefined || container === undefined) return [];
    const known = knownShape(element, checked);
    if (known !== undefined && container.exprKind.case === 'listExpr')
      return unlike(known, container.exprKind.value.elements);
    const inside = knownShape(container, checked);
    return inside === undefined || holds(inside, 'a list', 'a map') ? [] : [noContainer(container, inside)];
  },
  function order(node, checked) {
    const call = callOf(node);
    if (call === undefined || !ORDERS.has(call.function)) return [];
    const known = call.args.map((side) => knownShape(side, checked)).find((side) => side !== undefined);
    if (known === undefined) return [];
    // Between quotes, "10" would come before "5".
    const hint = holds(known, 'text') ? `Compare its number: int(${known.path}).` : undefined;
    return unlike(known, call.args).map((found) => ({ ...found, hint: hint ?? found.hint }));
  },
  function method(node, checked) {
    const call = callOf(node);
    if (call?.target === undefined || !TEXT_METHODS.has(call.function)) return [];
    const known = knownShape(call.target, checked);
    if (known === undefined || holds(known, 'text')) return [];
    const message = `${known.path} is ${kindsOf(known)}, and ${call.function}() is for text`;
    return [
      {
        node,
        message,
        hint: ELEMENTS.get(known.shape.kinds[0])?.(known.path) ?? `Write string(${known.path}).`,
      },
    ];
  },
  function truth(node, checked) {
    const call = callOf(node);
    const operands = call === undefined ? [] : call.args.slice(0, TRUTHS.get(call.function) ?? 0);
    return operands.flatMap((operand) => asTruth(operand, checked));
  },
];

/** Operators → how many of their operands have to be bools. */
const TRUTHS: ReadonlyMap<string, number> = new Map([
  ['_&&_', 2],
  ['_||_', 2],
  ['!_', 1],
  ['_?_:_', 1],
]);

const ELEMENTS: ReadonlyMap<ClaimKind | undefined, (path: string) => string> = new Map([
  [
    'a list',
    (path: string) => `Ask for an element: "…" in ${path}, or ${path}.exists(e, e.startsWith("…")).`,
  ],
  ['a map', (path: string) => `Read what is inside: ${path}.name.`],
  ['a bool', (path: string) => `Write ${path} alone, or compare with true or false.`],
]);

const holds = ({ shape }: Known, ...kinds: ClaimKind[]): boolean =>
  shape.kinds.some((kind) => kinds.includes(kind));

const kindsOf = ({ shape }: Known): string => shape.kinds.join(' or ');

/** The literals of which none is of a kind that the claim has. */
function unlike(known: Known, nodes: readonly Expr[]): Weakness[] {
  const literals = nodes.flatMap((node) => {
    const kind = literalKind(node);
    return kind === undefined ? [] : [{ node, kind }];
  });
  if (literals.some(({ kind }) => holds(known, kind))) return [];
  return literals.map(({ node, kind }) => ({
    node,
    message: `${known.path} is ${kindsOf(known)}, and is compared with ${kind}`,
    hint: hintFor(known, kind),
  }));
}

function hintFor({ path, shape: { kinds } }: Known, compared: ClaimKind): string {
  if (kinds.includes('a list')) return `Ask for an element: "…" in ${path}.`;
  if (kinds.includes('a map')) return `Compare what is inside: ${path}.name.`;
  if (compared === 'a list') return `Ask whether it is one of them: ${path} in ["…", "…"].`;
  return kinds.includes('text') ? 'Put the value between quotes.' : 'Write the value without quotes.';
}

const noContainer = (node: Expr, known: Known): Weakness => ({
  node,
  message: `${known.path} is ${kindsOf(known)}, and "in" looks into a list or a map`,
  hint: `Compare with "==", or write ${known.path} in ["…", "…"]. A part of a text: ${known.path}.startsWith("…").`,
});

/** Where true or false is asked for. */
function asTruth(node: Expr, checked: RuleUnderCheck): Weakness[] {
  const known = knownShape(node, checked);
  // has(…) is a bool, whatever it asks for.
  const isTest = node.exprKind.case === 'selectExpr' && node.exprKind.value.testOnly;
  if (known === undefined || isTest || holds(known, 'a bool')) return [];
  const message = `${known.path} is ${kindsOf(known)}, and neither true nor false`;
  const [value = '…'] = known.shape.form?.values ?? [];
  return [
    {
      node,
      message,
      hint: holds(known, 'text') ? `Compare it: ${known.path} == "${value}".` : 'Compare it.',
    },
  ];
}
