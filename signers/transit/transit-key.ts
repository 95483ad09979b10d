/** A key of the transit engine. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { SIGNATURE_ALGORITHMS } from '../../core/signature-algorithm.ts';
import type { BackendKey, KeyFact } from '../backend.ts';
import type { TransitReference } from '../key-reference.ts';
import { publicKeyAlgorithm, type KeyType } from '../key-types.ts';
import { SignerError } from '../signer-error.ts';
import { isObject, objectIn, own, signatureIn, unintelligible, type JsonObject } from './transit-answers.ts';
import { loginName } from './transit-login.ts';
import type { SessionUse, TransitSession } from './transit-session.ts';

/** What the engine calls the kinds of key that sign. */
export const TRANSIT_TYPES: Readonly<Record<KeyType, string>> = {
  p256: 'ecdsa-p256',
  p384: 'ecdsa-p384',
  p521: 'ecdsa-p521',
  rsa2048: 'rsa-2048',
  rsa3072: 'rsa-3072',
  rsa4096: 'rsa-4096',
  ed25519: 'ed25519',
};

/** What the engine calls the hashes. */
const TRANSIT_HASHES = { sha256: 'sha2-256', sha384: 'sha2-384', sha512: 'sha2-512' } as const;

/** The engine and the key in it. */
export interface KeyPlace {
  readonly engine: string;
  readonly reference: TransitReference;
}

/** The key as the engine describes it; undefined where there is none. Rejects with {@link SignerError}. */
export async function readKey(
  session: TransitSession,
  { engine, reference: { key } }: KeyPlace,
  signal: AbortSignal,
): Promise<JsonObject> {
  const path = `${engine}/keys/${key}`;
  const answer = await session.ask({ method: 'GET', path, signal }).catch((error: unknown) => {
    throw withPolicy(error, session, policyFor(path, 'read'));
  });
  return objectIn(answer, 'data', session.asked);
}

/** The key of a reference, with its public half, by what {@link readKey} returned. Throws {@link SignerError}. */
export function openedKey(
  use: SessionUse,
  place: KeyPlace,
  data: JsonObject,
  note: (sentence: string) => void,
): BackendKey {
  const { asked } = use.session;
  const { key } = place.reference;
  const type = own(data, 'type');
  const latest = own(data, 'latest_version');
  if (typeof latest !== 'number' || typeof type !== 'string') throw unintelligible(asked, 'no key');
  requireUsable(data, type, key);
  const version = place.reference.version ?? String(latest);
  const versions = objectIn(data, 'keys', asked);
  const found = own(versions, version);
  if (!isObject(found))
    throw new SignerError('SIGNER_KEY_GONE', `the key ${key} has no version ${version}`, {
      hint: `Its newest is ${latest}. Versions below min_decryption_version of the key are not shown: lower that.`,
    });
  const publicKey = publicKeyIn(found);
  if (publicKey === undefined) throw unintelligible(asked, 'a key without its public half');
  if (own(data, 'exportable') === true || own(data, 'allow_plaintext_backup') === true)
    note(
      `the key ${key} can be read out of ${use.session.settings.product} (exportable or allow_plaintext_backup): use one that cannot`,
    );
  return new TransitKey(use, place, { publicKey, version, type, latest });
}

function requireUsable(data: JsonObject, type: string, key: string): void {
  const create =
    'Make one with type=ecdsa-p256, ecdsa-p384, rsa-3072, rsa-4096 or ed25519, and without derived=true.';
  if (!Object.values(TRANSIT_TYPES).includes(type))
    throw new SignerError(
      'SIGNER_REFUSED',
      `the key ${key} is of a type that does not sign certificates and logs`,
      {
        hint: create,
      },
    );
  if (own(data, 'derived') === true)
    throw new SignerError('SIGNER_REFUSED', `the key ${key} is derived: it is another one in each context`, {
      hint: create,
    });
  if (own(data, 'soft_deleted') === true)
    throw new SignerError('SIGNER_KEY_GONE', `the key ${key} is soft-deleted`, {
      hint: `Restore it: bao write -f transit/keys/${key}/soft-delete-restore.`,
    });
}

/** What stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410 §4). */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** PEM, or the bytes of an Ed25519 key in base64. */
function publicKeyIn(version: JsonObject): Uint8Array | undefined {
  const text = own(version, 'public_key');
  if (typeof text !== 'string') return undefined;
  try {
    return publicKeyOf(text)?.export({ type: 'spki', format: 'der' });
  } catch {
    return undefined;
  }
}

function publicKeyOf(text: string): KeyObject | undefined {
  if (text.startsWith('-----BEGIN PUBLIC KEY-----')) return createPublicKey(text);
  const raw = Buffer.from(text, 'base64');
  if (raw.length !== 32 || raw.toString('base64') !== text) return undefined;
  return createPublicKey({ key: Buffer.concat([ED25519_SPKI, raw]), format: 'der', type: 'spki' });
}

/** What a policy has to allow. */
const policyFor = (path: string, capability: string): string =>
  `path "${path}" { capabilities = ["${capability}"] }`;

/** A denial with what would be needed. */
function withPolicy(error: unknown, session: TransitSession, policy: string): unknown {
  if (!(error instanceof SignerError) || error.code !== 'SIGNER_DENIED') return error;
  return new SignerError('SIGNER_DENIED', error.message, {
    hint: `Look whether the token of ${loginName(session.settings)} is still valid. Its policy needs: ${policy}`,
  });
}

/** What {@link openedKey} found. */
interface FoundKey {
  readonly publicKey: Uint8Array;
  readonly version: string;
  readonly type: string;
  readonly latest: number;
}

class TransitKey implements BackendKey {
  readonly publicKey: Uint8Array;
  readonly algorithm: BackendKey['algorithm'];
  readonly version: string;
  readonly ecdsaForm = 'der';
  readonly renew?: NonNullable<BackendKey['renew']>;
  readonly #use: SessionUse;
  readonly #place: KeyPlace;
  readonly #found: FoundKey;
  readonly #path: string;

  constructor(use: SessionUse, place: KeyPlace, found: FoundKey) {
    const { session } = use;
    this.publicKey = found.publicKey;
    this.algorithm = publicKeyAlgorithm(found.publicKey);
    this.version = found.version;
    this.#use = use;
    this.#place = place;
    this.#found = found;
    const { hash } = SIGNATURE_ALGORITHMS[this.algorithm];
    const path = `${place.engine}/sign/${place.reference.key}`;
    this.#path = hash === undefined ? path : `${path}/${TRANSIT_HASHES[hash]}`;
    if (session.canLogInAgain) this.renew = () => session.replaceToken();
  }

  async sign(input: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const data = await this.#ask({ input: base64(input) }, signal);
    return this.#signature(data);
  }

  async signMany(inputs: readonly Uint8Array[], signal: AbortSignal): Promise<readonly Uint8Array[]> {
    const data = await this.#ask({ batch_input: inputs.map((input) => ({ input: base64(input) })) }, signal);
    const results = own(data, 'batch_results');
    if (!Array.isArray(results) || results.length !== inputs.length)
      throw unintelligible(this.#use.session.asked, `not as many signatures as were asked for`);
    return (results as readonly JsonObject[]).map((result) => this.#signature(result));
  }

  async describe(): Promise<readonly KeyFact[]> {
    const { session } = this.#use;
    const { product, address, namespace } = session.settings;
    const { engine, reference } = this.#place;
    const { type, version, latest } = this.#found;
    const facts: KeyFact[] = [
      { name: 'server', value: `${product} at ${address}` },
      ...(namespace === undefined ? [] : [{ name: 'namespace', value: namespace }]),
      { name: 'key', value: `${engine}/keys/${reference.key}, ${type}, version ${version} of ${latest}` },
      { name: 'login', value: loginName(session.settings) },
      { name: 'policy', value: this.#leastPolicy() },
    ];
    return [...facts, ...(await this.#tokenFacts())];
  }

  close(): Promise<void> {
    return this.#use.release();
  }

  #leastPolicy(): string {
    const { engine, reference } = this.#place;
    return `${policyFor(`${engine}/keys/${reference.key}`, 'read')} ${policyFor(this.#path, 'update')}`;
  }

  async #tokenFacts(): Promise<readonly KeyFact[]> {
    const data = await this.#use.session.lookUp(AbortSignal.timeout(DESCRIBE_MS)).catch(() => undefined);
    if (data === undefined)
      return [{ name: 'token', value: 'may not look itself up (auth/token/lookup-self)' }];
    const [ttl, policies] = [own(data, 'ttl'), own(data, 'policies')];
    const names = Array.isArray(policies)
      ? (policies as readonly unknown[]).filter((one) => typeof one === 'string')
      : [];
    const end = ttl === 0 ? 'does not end' : `ends in ${typeof ttl === 'number' ? ttl : 'unknown'} s`;
    return [{ name: 'token', value: `${end}, policies ${names.join(', ')}` }];
  }

  async #ask(what: object, signal: AbortSignal): Promise<JsonObject> {
    const { session } = this.#use;
    const isHashed = this.algorithm !== 'ed25519';
    const body = {
      ...what,
      key_version: Number(this.version),
      prehashed: isHashed,
      // The engine's own choice is PSS.
      ...(this.algorithm === 'rsa-pkcs1-sha256' ? { signature_algorithm: 'pkcs1v15' } : {}),
      ...(this.algorithm.startsWith('ecdsa') ? { marshaling_algorithm: 'asn1' } : {}),
    };
    const question = { method: 'POST', path: this.#path, body, signal } as const;
    const answer = await session.ask(question).catch((error: unknown) => {
      throw withPolicy(error, session, policyFor(this.#path, 'update'));
    });
    return objectIn(answer, 'data', session.asked);
  }

  #signature(part: JsonObject): Uint8Array {
    const { asked } = this.#use.session;
    const { version, bytes } = signatureIn(part, asked);
    if (version === this.version) return bytes;
    throw new SignerError(
      'SIGNER_WRONG_KEY',
      `${asked.server} signed with version ${version}, not ${this.version}`,
      {
        hint: 'The signature was not used. Look what stands between: the version was asked for by its number.',
      },
    );
  }
}

/** Milliseconds that {@link BackendKey.describe} waits. */
const DESCRIBE_MS = 5_000;

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
