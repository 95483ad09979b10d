/** Comparisons that no request can meet, because what is compared takes a few values and this is none of them. */
import { literalText } from './path.ts';
import type { Expr } from './syntax.ts';
import { plainPath } from './warnings-look.ts';

const VALUES: ReadonlyMap<string, readonly string[]> = new Map([
  ['key.type', ['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-3072', 'RSA-4096', 'Ed25519']],
  ['key.provenBy', ['challenge', 'csr']],
  ['principal.sanType', ['email', 'uri', 'username']],
]);

const COMPARISONS: ReadonlySet<string> = new Set(['_==_', '_!=_', '@in']);

/** The literals that a value is compared with which it never has: a deny rule would never hold, and nobody would see. */
export function impossibleValues(
  nodes: readonly Expr[],
): { readonly node: Expr; readonly message: string; readonly hint: string }[] {
  return nodes.flatMap(({ exprKind }) => {
    if (exprKind.case !== 'callExpr' || !COMPARISONS.has(exprKind.value.function)) return [];
    const sides = exprKind.value.args;
    const path = sides.map(plainPath).find((name) => name !== undefined && VALUES.has(name));
    const values = VALUES.get(path ?? '');
    if (path === undefined || values === undefined) return [];
    return sides.flatMap(literalsOf).flatMap((node) => {
      const text = literalText(node) ?? '';
      if (values.includes(text)) return [];
      const message = `${path} is never ${JSON.stringify(text)}`;
      return [{ node, message, hint: `It is ${values.slice(0, -1).join(', ')} or ${values.at(-1) ?? ''}.` }];
    });
  });
}

/** A literal, or those of a list. */
function literalsOf(node: Expr): readonly Expr[] {
  const nodes = node.exprKind.case === 'listExpr' ? node.exprKind.value.elements : [node];
  return nodes.filter((element) => literalText(element) !== undefined);
}
