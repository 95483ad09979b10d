/** What `mayfly certificate` says of the certificate that it got. */
import { rfc3339 } from '../../core/clock.ts';
import { printable } from '../../core/printable.ts';
import type { CheckedAnswer } from './check-answer.ts';
import type { CredentialPaths } from './credential-files.ts';
import { invocation } from '../program/invocation.ts';
import { quoted, quotedPath } from '../../storage/quoted-path.ts';

/** A certificate that was written. */
export interface CertificateOutcome {
  readonly answer: CheckedAnswer;
  readonly paths: CredentialPaths;
  /** Whether somebody has the private key. */
  readonly hasKey: boolean;
}

/** For machines. */
export const certificateFacts = ({ answer, paths }: CertificateOutcome): Record<string, unknown> => ({
  key: paths.key ?? null,
  certificate: paths.certificate,
  chain: paths.chain,
  identity: answer.identity,
  issuer: answer.issuer,
  serial: answer.serial,
  notBefore: rfc3339(answer.notBefore),
  notAfter: rfc3339(answer.notAfter),
  loggedAt: answer.loggedAt === undefined ? null : rfc3339(answer.loggedAt),
  trust: answer.trustedBy,
  notes: answer.notes,
});

/** For a person; `trust` is the trust directory, if one was named. */
export function certificateText(outcome: CertificateOutcome, trust: string | undefined): string {
  const { answer, paths } = outcome;
  const identity = printable(answer.identity);
  const issuer = printable(answer.issuer);
  const next = [
    `${invocation()} verify certificate ${quotedPath(paths.certificate)} --trust ${trust === undefined ? 'DIR' : quotedPath(trust)}`,
    `--identity ${quoted(identity)} --issuer ${quoted(issuer)}`,
  ];
  return [
    `Certificate for ${identity} (issuer ${issuer}), valid until ${rfc3339(answer.notAfter)}`,
    `  certificate  ${paths.certificate}`,
    `  chain        ${paths.chain}`,
    ...(paths.key === undefined ? [] : [`  key          ${paths.key}`]),
    `Checked: chain, ${answer.loggedAt === undefined ? '' : 'proof of logging, '}own key, own name.`,
    keySentence(outcome),
    ...answer.notes.map((note) => `Note: ${note}`),
    `Next: ${next.join(' ')}`,
    ...(trust === undefined ? ['  (DIR: what `mayfly trust export` wrote where the service runs)'] : []),
  ].join('\n');
}

function keySentence({ hasKey, answer }: CertificateOutcome): string {
  if (!hasKey)
    return 'The private key was not kept: to sign something, ask with --key-out, or bring your own with --key.';
  return `Sign before ${rfc3339(answer.notAfter)}: what the key signs later looks the same without a timestamp.`;
}
