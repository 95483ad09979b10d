/** The identity of a GitHub Actions job (`permissions: id-token: write`). */
import { CommandError } from '../command.ts';
import { exchange, parseUrl, requireSafeTransport } from './http.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether this process runs in a job that may ask for a token. */
export const hasGithubIdentity = (env: Environment): boolean =>
  Boolean(env['ACTIONS_ID_TOKEN_REQUEST_URL']) && Boolean(env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']);

/** Asks GitHub for a token of this job for `audience`. Throws {@link CommandError}. */
export async function requestGithubToken(env: Environment, audience: string): Promise<string> {
  const url = parseUrl(env['ACTIONS_ID_TOKEN_REQUEST_URL'] ?? '', 'ACTIONS_ID_TOKEN_REQUEST_URL');
  const what = "GitHub's token service";
  requireSafeTransport(url, what);
  url.searchParams.set('audience', audience);
  const authorization = `Bearer ${env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'] ?? ''}`;
  const answer = await exchange(url, what, { headers: { authorization } });
  const token = answer.status === 200 ? tokenIn(answer.text) : undefined;
  if (token !== undefined) return token;
  throw new CommandError('FAILED', `${what} gave no token (status ${answer.status})`, {
    hint: 'The job needs `permissions: id-token: write`.',
  });
}

function tokenIn(text: string): string | undefined {
  try {
    const { value } = JSON.parse(text) as { value?: unknown };
    return typeof value === 'string' && value !== '' ? value : undefined;
  } catch {
    return undefined;
  }
}
