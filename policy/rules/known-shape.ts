/** What is known of a part of a rule before a token is there: of the claims of a known provider, and of what the service
 * itself says of a request. */
import { oneOf, TEXT, type ClaimKind, type ClaimShape } from '../providers/claim-shape.ts';
import { shapeOf } from '../providers/providers.ts';
import { accessOf } from './path.ts';
import type { Expr } from './syntax.ts';
import { plainPath, type RuleUnderCheck } from './rule-under-check.ts';

/** A part that reads something known. */
export interface Known {
  /** As the rule may write it: `claims.ref`. */
  readonly path: string;
  readonly shape: ClaimShape;
}

/** What is known of the value of a part; undefined for what is computed, and for claims that nobody knows. */
export function knownShape(node: Expr, checked: RuleUnderCheck): Known | undefined {
  const path = plainPath(node);
  if (path === undefined) return undefined;
  const names = claimNames(node);
  const shape =
    OWN.get(path) ?? ofIssuer(path, checked) ?? (names && shapeOf(checked.provider, names)) ?? undefined;
  return shape === undefined ? undefined : { path, shape };
}

/** The names on the way from `claims` to a part; undefined for what does not start there. */
export function claimNames(node: Expr): readonly string[] | undefined {
  const access = accessOf(node);
  if (access === undefined) return undefined;
  if (plainPath(access.operand) === 'claims') return [access.name];
  const outer = claimNames(access.operand);
  return outer && [...outer, access.name];
}

/** What takes a few values of the service's own. */
const OWN: ReadonlyMap<string, ClaimShape> = new Map([
  ['key.type', oneOf('P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-3072', 'RSA-4096', 'Ed25519')],
  ['key.provenBy', oneOf('challenge', 'csr')],
  ['principal.san', TEXT],
]);

/** What every token of an issuer says alike. */
function ofIssuer(path: string, { issuer: { url, isMeta, type } }: RuleUnderCheck): ClaimShape | undefined {
  if (path === 'principal.sanType') return oneOf(SAN_TYPES[type] ?? 'uri');
  return !isMeta && (path === 'issuer' || path === 'claims.iss') ? oneOf(url) : undefined;
}

/** Issuer types whose certificates do not name a URI. */
const SAN_TYPES: Readonly<Record<string, string | undefined>> = { email: 'email', username: 'username' };

const LITERALS: ReadonlyMap<string | undefined, ClaimKind> = new Map([
  ['stringValue', 'text'],
  ['boolValue', 'a bool'],
  ...(['int64Value', 'uint64Value', 'doubleValue'] as const).map((name) => [name, 'a number'] as const),
]);

/** The kind of a literal; undefined for null, and for what is no literal. */
export function literalKind({ exprKind }: Expr): ClaimKind | undefined {
  if (exprKind.case === 'listExpr') return 'a list';
  if (exprKind.case === 'structExpr') return 'a map';
  return exprKind.case === 'constExpr' ? LITERALS.get(exprKind.value.constantKind.case) : undefined;
}
