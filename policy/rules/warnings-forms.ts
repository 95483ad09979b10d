/** Comparisons that no token of a provider can meet, because what it compares never looks like that. */
import { nearest } from '../../core/nearest.ts';
import { adviceOf, type TextForm } from '../providers/claim-shape.ts';
import { claimNames, knownShape } from './known-shape.ts';
import { accessOf, literalText } from './path.ts';
import type { Call, Expr } from './syntax.ts';
import { callOf, callsOn, plainPath, type Weakness, type RuleUnderCheck } from './rule-under-check.ts';

const EQUALITIES: ReadonlySet<string> = new Set(['_==_', '_!=_']);

/** The texts that a value is compared with which it never has: a deny rule would never hold, and nobody would see. */
export function impossibleTexts(checked: RuleUnderCheck): Weakness[] {
  return checked.nodes.flatMap((node) => {
    const call = callOf(node);
    if (call === undefined || (!EQUALITIES.has(call.function) && call.function !== '@in')) return [];
    return call.args.flatMap((side) => {
      const compared = literalsBeside(side, call);
      if (compared.length === 0) return [];
      return [...formless(side, compared, checked), ...miscased(side, compared)];
    });
  });
}

/** The texts on the other side: one, or with `in` those of a list. */
function literalsBeside(side: Expr, { args, function: name }: Call): readonly Expr[] {
  const other = args.find((arg) => arg !== side);
  if (other === undefined) return [];
  const nodes =
    name === '@in' && other.exprKind.case === 'listExpr' ? other.exprKind.value.elements : [other];
  return nodes.filter((node) => literalText(node) !== undefined);
}

function formless(side: Expr, compared: readonly Expr[], checked: RuleUnderCheck): Weakness[] {
  const known = knownShape(side, checked);
  const form = known?.shape.form;
  const path = plainPath(side) ?? '';
  return compared.flatMap((node) => {
    const text = literalText(node) ?? '';
    if (form !== undefined && known !== undefined)
      return form.fits(text) ? [] : [never(node, path, text, form)];
    // What nothing is known of may have a star in it, but hardly at an end.
    return path.startsWith('claims.') && /^\*.|.\*$/.test(text) ? [starred(node, path, text)] : [];
  });
}

const never = (node: Expr, path: string, text: string, form: TextForm): Weakness => ({
  node,
  message: `${path} is ${form.isOpen === true ? 'not known to be' : 'never'} ${JSON.stringify(text)}`,
  hint: adviceFor(form, text),
});

const STAR = 'A star stands for itself here: use startsWith(…), or matches("^…$").';

const adviceFor = (form: TextForm, text: string): string =>
  text.includes('*') ? `${STAR} ${form.like}` : adviceOf(form, text);

const starred = (node: Expr, path: string, text: string): Weakness => ({
  node,
  message: `${path} is compared with ${JSON.stringify(text)}, and "==" knows no patterns`,
  hint: STAR,
});

const CASES: ReadonlyMap<string, (text: string) => string> = new Map([
  ['lowerAscii', (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())],
  ['upperAscii', (text: string) => text.replace(/[a-z]/g, (letter) => letter.toUpperCase())],
]);

/** `claims.email.lowerAscii() == "Sue@example.com"` */
function miscased(side: Expr, compared: readonly Expr[]): Weakness[] {
  const call = callOf(side);
  const change = call?.target && CASES.get(call.function);
  if (call === undefined || change === undefined) return [];
  return compared.flatMap((node) => {
    const text = literalText(node) ?? '';
    if (change(text) === text) return [];
    const hint = `Write ${JSON.stringify(change(text))}.`;
    return [{ node, message: `${call.function}() never returns ${JSON.stringify(text)}`, hint }];
  });
}

/** Beginnings that no value of a claim has. */
export function impossibleStarts(checked: RuleUnderCheck): Weakness[] {
  const texts = [...callsOn(checked, 'startsWith')];
  const patterns = [...callsOn(checked, 'matches')].flatMap(({ text, ...rest }) => {
    const start = /^\^([\w/@:-]+)(?![*?{|])/.exec(text)?.[1];
    // The last character may be there any number of times.
    return start === undefined || text.includes('|') ? [] : [{ ...rest, text: start }];
  });
  return [...texts, ...patterns].flatMap(({ node, subject, text }) => {
    const known = subject && knownShape(subject, checked);
    const form = known?.shape.form;
    if (known === undefined || form === undefined || form.begins(text)) return [];
    const message = `${known.path} never starts with ${JSON.stringify(text)}`;
    return [{ node, message, hint: form.like }];
  });
}

/** One value that is said to be two, and one that is asked to be other than all. */
export function contradictions(checked: RuleUnderCheck): Weakness[] {
  return checked.nodes.flatMap((node) => {
    const call = callOf(node);
    const wanted = call && ALL_OF.get(call.function);
    if (call === undefined || wanted === undefined) return [];
    const seen = new Map<string, string>();
    return flattened(node, call.function).flatMap((part) => {
      const { path, text } = comparisonIn(part, wanted) ?? {};
      if (path === undefined || text === undefined) return [];
      const before = seen.get(path);
      seen.set(path, before ?? text);
      if (before === undefined || before === text) return [];
      return [contradiction(part, path, [before, text], wanted)];
    });
  });
}

/** What divides a condition → the comparison that has no two different values between them. */
const ALL_OF: ReadonlyMap<string, string> = new Map([
  ['_&&_', '_==_'],
  ['_||_', '_!=_'],
]);

/** The parts between the same operator; none for what is itself such a part, so that each chain is looked at once. */
function flattened(node: Expr, operator: string): Expr[] {
  const call = callOf(node);
  return call?.function === operator ? call.args.flatMap((arg) => flattened(arg, operator)) : [node];
}

function comparisonIn(part: Expr, operator: string): { path: string; text: string } | undefined {
  const call = callOf(part);
  if (call?.function !== operator) return undefined;
  const path = call.args.map(plainPath).find((found) => found !== undefined);
  const text = call.args.map(literalText).find((found) => found !== undefined);
  return path === undefined || text === undefined ? undefined : { path, text };
}

function contradiction(
  node: Expr,
  path: string,
  texts: readonly [string, string],
  operator: string,
): Weakness {
  const [one, other] = texts.map((text) => JSON.stringify(text)) as [string, string];
  const list = `${path} in [${one}, ${other}]`;
  return operator === '_==_'
    ? { node, message: `${path} is never ${one} and ${other} at once`, hint: `Write ${list}.` }
    : { node, message: `${path} is always other than ${one} or ${other}`, hint: `Write !(${list}).` };
}

/** Claims that the provider is not known to have, but one that is called nearly so. */
export function misspeltClaims(checked: RuleUnderCheck): Weakness[] {
  const { provider } = checked;
  if (provider === undefined) return [];
  const names = Object.keys(provider.claims).filter((name) => !name.includes('\n'));
  const reported = new Set<string>();
  return checked.nodes.flatMap((node) => {
    const name = claimIn(node);
    const isSettled = name === undefined || names.includes(name) || reported.has(name);
    const near = isSettled ? undefined : nearest(name, names.filter(startOf(name)));
    if (name === undefined || near === undefined) return [];
    reported.add(name);
    const path = /^\w+$/.test(near) ? `claims.${near}` : `claims[${JSON.stringify(near)}]`;
    const message = `tokens of ${provider.title} are not known to have a claim ${JSON.stringify(name)}`;
    return [{ node, message, hint: `Did you mean ${path}?` }];
  });
}

/** Short names are near to each other by chance: those that are meant begin alike. */
const startOf =
  (name: string) =>
  (candidate: string): boolean =>
    name.length > 5 || candidate.charAt(0) === name.charAt(0).toLowerCase();

/** The claim that a part reads or asks for: `claims.a`, `has(claims.a)`, `"a" in claims`. */
function claimIn(node: Expr): string | undefined {
  const access = accessOf(node);
  if (access !== undefined) return plainPath(access.operand) === 'claims' ? claimNames(node)?.[0] : undefined;
  const call = callOf(node);
  const [element, container] = call?.function === '@in' ? call.args : [];
  return container !== undefined && plainPath(container) === 'claims' ? literalText(element) : undefined;
}
