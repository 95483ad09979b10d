import { certificateUri } from './certificate-uri.ts';
import { optionalText, requiredTexts } from '../core/claims.ts';
import { goQuote } from '../../core/go/quote.ts';
import { GoUrlError, parseGoUrl } from '../../core/go/url.ts';
import type { PrincipalReader } from './issuer-types.ts';
import { joinedBehind, joinedUri } from './joined-uri.ts';
import { TokenError } from '../core/token-error.ts';
import { workloadPrincipal } from './workload-principal.ts';

const DEFAULT_PLATFORM = 'https://g.codefresh.io';

/** Type codefresh-workflow (deprecated by Fulcio): a pipeline of Codefresh, on the platform that the token names. */
export const codefreshIssuer = (): PrincipalReader => (token) => {
  const { claims } = token;
  const required = requiredTexts(claims, ['account_id', 'pipeline_id', 'workflow_id']);
  const platform = optionalText(claims, 'platform_url') || DEFAULT_PLATFORM;
  checkPlatform(platform);
  const names = requiredTexts(claims, ['account_name', 'pipeline_name']);
  const pipeline = `${names.pipeline_name}:${required.account_id}/${required.pipeline_id}`;
  const name = `${platform}/${names.account_name}/${pipeline}`;
  const build = joinedUri(platform, 'build', required.workflow_id);
  return workloadPrincipal(token, certificateUri(name, joinedBehind(platform)), [
    [9, build],
    [11, optionalText(claims, 'runner_environment')],
    [12, optionalText(claims, 'scm_repo_url')],
    [14, optionalText(claims, 'scm_ref')],
    [18, joinedUri(platform, 'api', 'pipelines', required.pipeline_id)],
    [21, build],
  ]);
};

function checkPlatform(text: string): void {
  let goMessage: string | undefined;
  try {
    const { scheme, host } = parseGoUrl(text);
    if (scheme !== '' && host !== '') return;
  } catch (error) {
    if (!(error instanceof GoUrlError)) throw error;
    ({ goMessage } = error);
  }
  throw new TokenError('IDENTITY_REFUSED', `the token's "platform_url" ${goQuote(text)} is not a URL`, {
    hint: 'It has to be absolute, such as https://g.codefresh.io.',
    fulcioMessage: goMessage,
  });
}
