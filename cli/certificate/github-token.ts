/** The identity of a GitHub Actions job (`permissions: id-token: write`). */
import { CommandError } from '../program/command.ts';
import { exchange, parseUrl, requireSafeTransport } from './http.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether this process runs in a job that may ask for a token. */
export const hasGithubIdentity = (env: Environment): boolean =>
  Boolean(env['ACTIONS_ID_TOKEN_REQUEST_URL']) && Boolean(env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']);

/** The issuers among `offered` that tokens of this job may come from: those of github.com (an enterprise may have one of
 * its own there), of ghe.com, of a server of one's own, or of a Forgejo, which has the same variables. */
export function issuersOfJob<T extends { readonly url: string }>(
  env: Environment,
  offered: readonly T[],
): readonly T[] {
  const server = (env['GITHUB_SERVER_URL'] ?? 'https://github.com').replace(/(?<!\/)\/+$/, '');
  const tenant = /^https:\/\/([\w-]+\.ghe\.com)$/i.exec(server)?.[1];
  const hosted =
    tenant ?? (server.toLowerCase() === 'https://github.com' ? 'githubusercontent.com' : undefined);
  const urls =
    hosted === undefined
      ? [`${server}/_services/token`, `${server}/api/actions`]
      : [`https://token.actions.${hosted}`];
  return offered.filter(({ url }) => urls.some((known) => url === known || url.startsWith(`${known}/`)));
}

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
