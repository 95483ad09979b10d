import type { Path, Report } from '../findings/report.ts';
import type { IssuerValues } from '../schema/fulcio-schema.ts';

/** What decides which issuer the certificate names. */
export function checkIssuerClaim(
  block: IssuerValues,
  { path, isMeta }: { readonly path: Path; readonly isMeta: boolean },
  requireRules: boolean,
  report: Report,
): void {
  const at = [...path, 'issuer-claim'];
  const isUsed = (block['issuer-claim'] ?? '') !== '';
  const { 'issuer-claim-values': values, 'any-issuer-claim': any } = block.mayfly;
  if (isUsed && block.type !== 'email' && !isMeta)
    report.problem(
      at,
      'only email issuers can use issuer claim mapping',
      'Take it out: other types name the issuer of the token itself.',
    );
  if (values !== undefined && any)
    report.problem(
      [...path, 'mayfly', 'any-issuer-claim'],
      'contradicts issuer-claim-values',
      'Keep one of them.',
    );
  if (!isUsed && (values !== undefined || any)) {
    const name = any ? 'any-issuer-claim' : 'issuer-claim-values';
    report.problem([...path, 'mayfly', name], 'has no effect without issuer-claim', 'Take it out.');
  }
  if (!isUsed || block.type !== 'email' || values !== undefined || any) return;
  // They are there, but wrong, which is reported already.
  if (report.isWrong([...path, 'mayfly', 'issuer-claim-values'])) return;
  const message = 'puts whatever the claim says into the certificate as its issuer';
  const hint =
    'List the values that may stand there in mayfly.issuer-claim-values of the issuer block, or say any-issuer-claim: true.';
  if (requireRules) report.problem(at, `${message}, which require-rules does not allow`, hint);
  else report.finding('ISSUER_CLAIM_OPEN', at, message, { hint });
}
