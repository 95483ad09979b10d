/** The ways to a token. */
import { MayflyError } from '../../core/errors.ts';
import { readSecretFile } from '../../storage/secret-file.ts';
import { SignerError } from '../signer-error.ts';
import { isToken, leaseIn, type Asked, type JsonObject, type TokenLease } from './transit-answers.ts';
import type { TransitLogin, TransitSettings } from './transit-settings.ts';

/** A token as it was got. */
export interface ObtainedToken {
  readonly token: string;
  /** Undefined where the login says nothing of it. */
  readonly lease: TokenLease | undefined;
}

/** What a login is done with. */
export interface LoginTools {
  /** Asks the server without a token; what must not be shown is in `secrets`. Rejects with SignerError. */
  readonly ask: (path: string, body: object, secrets: readonly string[]) => Promise<JsonObject>;
  /** For reading the answer. */
  readonly asked: Asked;
  /** Gets a sentence about a file that more people may read than should. */
  readonly warn: (sentence: string) => void;
}

/** A login that is to be done: what it shows, and what shows it. */
interface PreparedLogin {
  /** What it shows to the server, or the token itself. */
  readonly credential: string;
  readonly obtain: () => Promise<ObtainedToken>;
}

/** Reads what a login needs. Rejects with {@link SignerError} `SIGNER_DENIED` when that is not there. */
export function prepareLogin(
  { login, prefix, product }: TransitSettings,
  tools: LoginTools,
): Promise<PreparedLogin> {
  switch (login.kind) {
    case 'token':
      return Promise.resolve(heldToken(login.token, login.name));
    case 'file':
      return tokenOfFile(login.path, prefix, tools);
    case 'approle':
      return appRole(login, prefix, tools);
    case 'kubernetes':
      return kubernetes(login, product, tools);
  }
}

/** What sentences call it. */
export const loginName = ({ login }: TransitSettings): string =>
  ({
    token: (): string => (login.kind === 'token' ? login.name : ''),
    file: (): string => (login.kind === 'file' ? `the file ${login.path}` : ''),
    approle: (): string => 'the AppRole login',
    kubernetes: (): string => 'the Kubernetes login',
  })[login.kind]();

/** Whether the server returns a token for it, which is ours to hand back. */
export const isLogin = ({ login: { kind } }: TransitSettings): boolean =>
  kind === 'approle' || kind === 'kubernetes';

const denied = (message: string, hint: string): SignerError =>
  new SignerError('SIGNER_DENIED', message, { hint });

function heldToken(text: string, name: string): PreparedLogin {
  const token = text.trim();
  if (!isToken(token)) throw denied(`${name} holds no token`, 'Write the token alone, on one line.');
  return { credential: token, obtain: () => Promise.resolve({ token, lease: undefined }) };
}

async function tokenOfFile(path: string, prefix: string, tools: LoginTools): Promise<PreparedLogin> {
  const text = await secretOf(path, 'token', tools.warn).catch((error: unknown) => {
    if (!(error instanceof SignerError)) throw error;
    throw denied(
      error.message,
      `Log in by one of ${prefix}_TOKEN, ${prefix}_TOKEN_FILE, ${prefix}_ROLE_ID with ${prefix}_SECRET_ID_FILE, and ${prefix}_K8S_ROLE.`,
    );
  });
  return heldToken(text, `the file ${path}`);
}

async function appRole(
  { mount, roleId, secretId, secretIdFile }: Extract<TransitLogin, { kind: 'approle' }>,
  prefix: string,
  { ask, asked, warn }: LoginTools,
): Promise<PreparedLogin> {
  const secret =
    secretIdFile === undefined ? secretId : (await secretOf(secretIdFile, 'secret-id', warn)).trim();
  const body = { role_id: roleId, ...(secret === undefined ? {} : { secret_id: secret }) };
  const secrets = [roleId, secret ?? ''];
  const obtain = async (): Promise<ObtainedToken> => {
    const answer = await ask(`auth/${mount}/login`, body, secrets).catch((error: unknown) => {
      throw loginRefusal(
        error,
        `Compare ${prefix}_ROLE_ID, the secret-id and the mount ${mount}. A secret-id ends, and may be used up: make a new one, into the file of ${prefix}_SECRET_ID_FILE.`,
      );
    });
    return leased(leaseIn(answer, asked));
  };
  return { credential: JSON.stringify(body), obtain };
}

async function kubernetes(
  { mount, role, tokenFile }: Extract<TransitLogin, { kind: 'kubernetes' }>,
  product: string,
  { ask, asked }: LoginTools,
): Promise<PreparedLogin> {
  // Kubernetes mounts it for everybody in the pod.
  const jwt = (await secretOf(tokenFile, 'service account token', () => undefined)).trim();
  const obtain = async (): Promise<ObtainedToken> => {
    const answer = await ask(`auth/${mount}/login`, { role, jwt }, [jwt]).catch((error: unknown) => {
      throw loginRefusal(
        error,
        `Compare the role's bound service accounts, their namespaces and its audience with this pod's, the mount ${mount}, and the clocks; ${product} itself must be allowed to review tokens.`,
      );
    });
    return leased(leaseIn(answer, asked));
  };
  return { credential: jwt, obtain };
}

const leased = (lease: TokenLease): ObtainedToken => ({ token: lease.token, lease });

/** A login is refused with many a status; none of them says anything about a key. */
function loginRefusal(error: unknown, hint: string): unknown {
  const isRefused =
    error instanceof SignerError &&
    (error.code === 'SIGNER_DENIED' || error.code === 'SIGNER_REFUSED' || error.code === 'SIGNER_KEY_GONE');
  return isRefused ? new RefusedLogin(error, hint) : error;
}

/** A login that the server refused. */
export class RefusedLogin extends SignerError {
  /** Whether it was for what was shown, which counts towards a lock, and not for a mount that is not there yet or something that stands between. */
  readonly isOfCredential: boolean;

  /** `refusal`: what was answered. */
  constructor({ code, message }: SignerError, hint: string) {
    super('SIGNER_DENIED', `the login failed: ${message}`, { hint });
    this.isOfCredential = code === 'SIGNER_DENIED' || /invalid (?:role|secret)/i.test(message);
  }
}

/** The first line of a file. */
async function secretOf(path: string, what: string, warn: (sentence: string) => void): Promise<string> {
  try {
    return (await readSecretFile(path, what, warn)) ?? '';
  } catch (error) {
    if (!(error instanceof MayflyError)) throw error;
    throw denied(error.message, error.hint ?? '');
  }
}
