import { DefinitionError } from '../../oidc/definition-error.ts';
import { ISSUER_TYPES, isIssuerType } from '../../oidc/issuer-definition.ts';
import { compileIssuerPattern } from '../../oidc/issuer-pattern.ts';
import { ISSUER_TYPE_TABLE } from '../../oidc/types/issuer-types.ts';
import { isLoopbackHostname } from '../../core/loopback.ts';
import type { IssuerValues } from '../schema/fulcio-schema.ts';
import type { IssuerBlockPosition } from './issuer-block.ts';
import { nearest } from '../../core/nearest.ts';
import type { Path, Report } from '../findings/report.ts';

/** Reports a type that cannot be used. Looks at the unchecked entry, so that other mistakes in it do not hide this.
 * Fulcio takes a type that it does not know if `challenge-claim` is set, and then refuses every token: a slip of the
 * finger is told here instead. */
export function checkType(key: string, entry: unknown, path: Path, report: Report): void {
  const type = typeof entry === 'object' && entry !== null && 'type' in entry ? entry.type : undefined;
  if (typeof type !== 'string' || isIssuerType(type)) return;
  // The deprecated ones work, but nobody should start with them.
  const current = ISSUER_TYPES.filter((name) => ISSUER_TYPE_TABLE[name].replacement === undefined);
  const supported = `Supported are ${current.join(', ')}.`;
  const near = nearest(type, ISSUER_TYPES);
  const hint = near === undefined ? supported : `Did you mean "${near}"? ${supported}`;
  report.problem([...path, 'type'], `issuer ${key} has the unknown type "${type.slice(0, 100)}"`, hint);
}

/** The URL or pattern of an entry. */
export function checkAddress(place: IssuerBlockPosition, entry: IssuerValues, report: Report): void {
  const { key, path, isMeta } = place;
  const url = entry['issuer-url'] ?? key;
  const at = [...path, 'issuer-url'];
  if (isMeta) checkPattern(url, at, report);
  else checkUrl(url, at, report);
  checkTransport(place, url, entry, report);
  if (url !== key)
    report.problem(
      at,
      `differs from the key "${key}"`,
      'A token must match both, which none can: make them the same.',
    );
  if (!isMeta && url.includes('*'))
    report.finding('PATTERN_MISPLACED', path, 'holds "*", which stands for itself here: no token fits it', {
      hint: 'Patterns stand under meta-issuers.',
    });
}

/** What is asked for the issuer's keys: its own URL, unless the entry names another. */
function checkTransport(
  { path }: IssuerBlockPosition,
  url: string,
  { mayfly }: IssuerValues,
  report: Report,
): void {
  const named = (['jwks-url', 'discovery-url'] as const).find((name) => mayfly[name] !== undefined);
  const asked = named === undefined ? url : (mayfly[named] ?? '');
  if (!/^http:/i.test(asked) || isLoopbackHostname(URL.parse(asked)?.hostname ?? '')) return;
  const at = named === undefined ? path : [...path, 'mayfly', named];
  report.finding('PLAIN_HTTP', at, 'is reached over plain HTTP', {
    hint: 'Whoever can change traffic on the way to it decides who gets certificates. Use https.',
  });
}

function checkUrl(url: string, at: Path, report: Report): void {
  const { username, password } = URL.parse(url) ?? { username: 'none', password: '' };
  if (/^https?:\/\/[^/]/.test(url) && username === '' && password === '' && !/[?#\s]/.test(url)) return;
  report.problem(
    at,
    `"${url.slice(0, 200)}" is not the http(s) URL of an issuer`,
    'Write it exactly as the tokens have it in "iss": without user, query and fragment.',
  );
}

function checkPattern(pattern: string, at: Path, report: Report): void {
  try {
    compileIssuerPattern(pattern);
  } catch (error) {
    if (!(error instanceof DefinitionError)) throw error;
    report.problem(at, error.message, error.hint);
  }
}

/** The audiences of an entry. */
export function checkAudiences(path: Path, audiences: readonly string[], report: Report): void {
  if (audiences.includes('sigstore'))
    report.finding(
      'SHARED_AUDIENCE',
      [...path, 'client-id'],
      'the audience "sigstore" is shared with every other Sigstore service',
      {
        hint: 'Who receives a token made for another service can use it here while it lasts. A client-id of your own prevents that.',
      },
    );
}

/** What decides which issuer the certificate names. */
export function checkIssuerClaim(
  { path, isMeta }: IssuerBlockPosition,
  entry: IssuerValues,
  requireRules: boolean,
  report: Report,
): void {
  const at = [...path, 'issuer-claim'];
  const isUsed = (entry['issuer-claim'] ?? '') !== '';
  const { 'issuer-claim-values': values, 'any-issuer-claim': any } = entry.mayfly;
  if (isUsed && entry.type !== 'email' && !isMeta)
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
  if (!isUsed || entry.type !== 'email' || values !== undefined || any) return;
  // They are there, but wrong, and that was told.
  if (report.isWrong([...path, 'mayfly', 'issuer-claim-values'])) return;
  const message = 'puts whatever the claim says into the certificate as its issuer';
  const hint =
    'List the values that may stand there in mayfly.issuer-claim-values of the entry, or say any-issuer-claim: true.';
  if (requireRules) report.problem(at, `${message}, which require-rules does not allow`, hint);
  else report.finding('ISSUER_CLAIM_OPEN', at, message, { hint });
}
