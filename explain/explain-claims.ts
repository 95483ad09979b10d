/** From a question to an identity: the checks of a token, or of claims that nobody signed. */
import { toBase64Url, utf8 } from '../core/bytes.ts';
import { unknownIssuer } from '../oidc/authenticate.ts';
import { claim } from '../oidc/core/claims.ts';
import type { Identity } from '../oidc/identity.ts';
import type { IssuerBlock } from '../oidc/issuer-block.ts';
import type { Issuer, IssuerPool } from '../oidc/issuer-pool.ts';
import { TokenError } from '../oidc/core/token-error.ts';
import { parseToken, type UnverifiedToken } from '../oidc/token.ts';
import { checkExpiry, checkNotBefore } from '../oidc/token-times.ts';
import { assumeVerified, verifySignature } from '../oidc/verify-token.ts';
import type { CheckRecorder } from './check-recorder.ts';

/** What is to be judged. */
export type Evidence =
  | { readonly kind: 'token'; readonly compact: string }
  /** JSON of claims that nobody signed; times that they do not hold are not asked for. */
  | { readonly kind: 'claims'; readonly json: string };

/** How far a question came; what is not there failed. */
export interface Reading {
  readonly token?: UnverifiedToken | undefined;
  readonly issuer?: Issuer | undefined;
  readonly block?: IssuerBlock | undefined;
  readonly identity?: Identity | undefined;
}

/** Reads `evidence` as of `at` (milliseconds) and records each check. For a token, its issuer is asked for keys. */
export async function readEvidence(
  evidence: Evidence,
  at: number,
  pool: IssuerPool,
  recorder: CheckRecorder,
): Promise<Reading> {
  const token = readToken(evidence, recorder);
  if (token === undefined) return {};
  const issuer = recorder.run(
    'issuer',
    () => pool.find(token.issuer) ?? unknownIssuer(),
    ({ definitions }) => issuerWords(token.issuer, definitions),
  );
  if (issuer === undefined) return { token };
  await checkAuthenticity(evidence, token, issuer, recorder);
  const block = chooseBlock(token, issuer, recorder);
  if (block === undefined) return { token, issuer };
  checkTimes(evidence, token, block, at, recorder);
  return { token, issuer, block, identity: identify(token, issuer, block, recorder) };
}

/** Claims travel as a token without a signature, so that the limits of tokens hold for them too. */
const wrapped = (json: string): string => `${HEADER}.${toBase64Url(utf8(json))}.AA`;
const HEADER = toBase64Url(utf8('{"alg":"RS256"}'));

function readToken(evidence: Evidence, recorder: CheckRecorder): UnverifiedToken | undefined {
  const isToken = evidence.kind === 'token';
  const token = recorder.run(
    'token',
    () => parseToken(isToken ? evidence.compact : wrapped(evidence.json)),
    () => (isToken ? 'three parts that can be read' : 'claims that can be read'),
  );
  // Known to be readable as far as the fault that was found.
  if (recorder.has('algorithm') || recorder.has('issuer')) recorder.note('token', 'ok', 'can be read');
  return token;
}

function issuerWords(issuer: string, definitions: Issuer['definitions']): string {
  const [first] = definitions;
  const pattern = first?.isMeta === true ? `, by the pattern ${first.url}` : '';
  return `${issuer}${pattern}: ${definitions.length === 1 ? 'one issuer block' : `${definitions.length} issuer blocks`}`;
}

async function checkAuthenticity(
  evidence: Evidence,
  token: UnverifiedToken,
  issuer: Issuer,
  recorder: CheckRecorder,
): Promise<void> {
  if (evidence.kind === 'claims') {
    recorder.note('algorithm', 'not checked', 'claims have none');
    recorder.note('signature', 'not checked', 'claims have none: the sender would have to be believed');
    return;
  }
  try {
    await verifySignature(token, issuer.keys);
    recorder.note('signature', 'ok', 'made with a key that the issuer publishes');
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    if (error.code === 'ISSUER_UNREACHABLE') recorder.note('signature', 'not checked', unreachable(error));
    else recorder.fail('signature', error);
  }
  recorder.note('algorithm', 'ok', token.algorithm);
}

const unreachable = ({ message, cause }: TokenError): string =>
  `${message} from here${cause instanceof Error ? `: ${cause.message}` : ''}`;

function chooseBlock(
  { claims }: UnverifiedToken,
  { issuerBlocks }: Issuer,
  recorder: CheckRecorder,
): IssuerBlock | undefined {
  return recorder.run(
    'audience',
    () => issuerBlocks.choose(claim(claims, 'aud')),
    ({ definition }) => `chooses the issuer block ${definition.name}`,
  );
}

function checkTimes(
  { kind }: Evidence,
  { claims }: UnverifiedToken,
  { leeway }: IssuerBlock,
  at: number,
  recorder: CheckRecorder,
): void {
  const exp = claim(claims, 'exp');
  if (exp === undefined && kind === 'claims')
    recorder.note('expiry', 'not checked', 'the claims have no "exp"');
  else
    recorder.run(
      'expiry',
      () => {
        checkExpiry(exp, at, leeway);
      },
      () => 'in the future',
    );
  const nbf = claim(claims, 'nbf');
  recorder.run(
    'not-before',
    () => {
      checkNotBefore(nbf, at, leeway);
    },
    () => (nbf === undefined ? 'the token has none' : 'reached'),
  );
}

function identify(
  { claims }: UnverifiedToken,
  { url }: Issuer,
  { definition, principalOf }: IssuerBlock,
  recorder: CheckRecorder,
): Identity | undefined {
  return recorder.run(
    'identity',
    () => {
      const token = assumeVerified(url, claims);
      return { principal: principalOf(token), token, definition };
    },
    ({ principal: { san } }) => `${san.type} "${san.value}", as the type ${definition.type} names it`,
  );
}
