/**
 * The signing key of the development issuer: `DIR/dev/issuer.jwk.json`, one private JWK (RS256, RSA 2048), mode 0600.
 *
 * The provider and `mayfly token` sign with the same key, so that a token of either is good for the running service.
 * Anyone who can read the file can be anybody for that CA; that is the point of a development issuer.
 */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { chmod, link, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../core/errors.ts';
import { calculateJwkThumbprint, importJWK, type CryptoKey, type JWK } from 'jose';
import { ensureDirectory } from '../storage/make-directory.ts';
import { DevError } from './dev-error.ts';

/** A private RSA JWK that always names its id, its use and its algorithm. */
export interface IssuerJwk extends JWK {
  readonly kty: 'RSA';
  readonly kid: string;
  readonly alg: 'RS256';
  readonly use: 'sig';
}

const keyPath = (directory: string): string => join(directory, 'dev', 'issuer.jwk.json');

/** The key of the data directory `directory`. Throws {@link DevError} `DEV_NOT_SET_UP` when there is none. */
export async function readIssuerKey(directory: string): Promise<IssuerJwk> {
  const path = keyPath(directory);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') {
      throw new DevError('DEV_NOT_SET_UP', `there is no development issuer in ${directory}`, {
        hint: 'Run `npm start` (or `mayfly dev`) first; it makes one. Another directory goes in by --data.',
        cause,
      });
    }
    throw new DevError('DEV_KEY_UNUSABLE', `${path} cannot be read`, { cause });
  }
  return checkedKey(text, path);
}

/** The key of `directory`, made now if there is none. Two that start at once agree on one key. */
export async function ensureIssuerKey(directory: string): Promise<IssuerJwk> {
  try {
    return await readIssuerKey(directory);
  } catch (error) {
    if (!(error instanceof DevError) || error.code !== 'DEV_NOT_SET_UP') throw error;
  }
  await writeOnce(directory, JSON.stringify(await newKey(), undefined, 2) + '\n');
  return await readIssuerKey(directory);
}

async function newKey(): Promise<IssuerJwk> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = privateKey.export({ format: 'jwk' });
  const kid = await calculateJwkThumbprint(jwk);
  return { ...jwk, kty: 'RSA', kid, alg: 'RS256', use: 'sig' };
}

/** Complete and then linked to its name, which fails if the name exists: a crash leaves at most a temporary file, and
 * nobody ever reads half a key. */
async function writeOnce(directory: string, text: string): Promise<void> {
  const folder = join(directory, 'dev');
  await ensureDirectory(folder, 0o700);
  await chmod(folder, 0o700);
  const temporary = `${keyPath(directory)}.${randomUUID()}.tmp`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(temporary, keyPath(directory));
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function checkedKey(text: string, path: string): Promise<IssuerJwk> {
  const unusable = (cause?: unknown): DevError =>
    new DevError('DEV_KEY_UNUSABLE', `${path} does not hold a private RSA key for RS256 with a kid`, {
      hint: 'Delete that file and start again: a new key is made, and old tokens end to be good.',
      cause,
    });
  let jwk: Partial<IssuerJwk> | null;
  try {
    jwk = JSON.parse(text) as Partial<IssuerJwk> | null;
  } catch (cause) {
    throw unusable(cause);
  }
  if (jwk?.kty !== 'RSA' || jwk.alg !== 'RS256' || typeof jwk.kid !== 'string' || jwk.d === undefined) {
    throw unusable();
  }
  await importIssuerKey(jwk as IssuerJwk).catch((cause: unknown) => {
    throw unusable(cause);
  });
  return { ...(jwk as IssuerJwk), use: 'sig' };
}

/** The key in the form that signs. */
export async function importIssuerKey(jwk: IssuerJwk): Promise<CryptoKey> {
  const key = await importJWK(jwk, 'RS256');
  if (key instanceof Uint8Array) throw new DevError('DEV_KEY_UNUSABLE', 'the issuer key is not an RSA key');
  return key;
}
