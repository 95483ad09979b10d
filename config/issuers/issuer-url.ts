/** Whom an issuer block is for: its URL or pattern. */
import { isLoopbackHostname } from '../../core/loopback.ts';
import { DefinitionError } from '../../oidc/core/definition-error.ts';
import { compileIssuerPattern } from '../../oidc/issuer-pattern.ts';
import type { Path, Report } from '../findings/report.ts';
import type { IssuerValues } from '../schema/fulcio-schema.ts';

/** Where an issuer block stands: under a URL, or under a pattern of URLs. */
interface Place {
  readonly path: Path;
  readonly key: string;
  readonly isMeta: boolean;
}

/** Checks the URL or pattern of an issuer block, and how its keys are asked for. */
export function checkIssuerUrl(block: IssuerValues, place: Place, report: Report): void {
  const { key, path, isMeta } = place;
  const url = block['issuer-url'] ?? key;
  const at = [...path, 'issuer-url'];
  if (isMeta) checkPattern(url, at, report);
  else checkUrl(url, at, report);
  checkTransport(url, block, path, report);
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

/** What is asked for the issuer's keys: its own URL, unless the block names another. */
function checkTransport(url: string, { mayfly }: IssuerValues, path: Path, report: Report): void {
  const named = (['jwks-url', 'discovery-url'] as const).find((name) => mayfly[name] !== undefined);
  const asked = named === undefined ? url : (mayfly[named] ?? '');
  if (!/^http:/i.test(asked) || isLoopbackHostname(URL.parse(asked)?.hostname ?? '')) return;
  const at = named === undefined ? path : [...path, 'mayfly', named];
  report.finding('PLAIN_HTTP', at, 'is reached over plain HTTP', {
    hint: 'Anyone who can change traffic on the way to it decides who gets certificates. Use https.',
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
