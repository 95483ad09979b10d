/**
 * Keys in PKCS#11 tokens. A token has one process, whatever the number of its keys that are used (`token-connection.ts`); this file makes of it what
 * `open-signer.ts` asks of a backend.
 */
import { randomBytes } from 'node:crypto';
import { octetString, oid, sequence } from '../../core/der-writer.ts';
import { Tag } from '../../core/der-tag.ts';
import type { Backend, BackendKey, BackendSurroundings, KeyFact } from '../backend.ts';
import { publicKeyAlgorithm, type KeyType } from '../key-types.ts';
import type { Pkcs11Reference } from '../pkcs11-uri.ts';
import { SignerError } from '../signer-error.ts';
import { pinReader } from './pin.ts';
import { asKeyFailure } from './pkcs11-error.ts';
import { TokenConnection } from './token-connection.ts';
import type { ShownKey } from './token-messages.ts';

/** A connection that the keys of one token share. */
interface SharedConnection {
  readonly connection: TokenConnection;
  users: number;
}

/** By module, token and source of the PIN. */
const shared = new Map<string, SharedConnection>();

/** The keys of PKCS#11 tokens. */
export const backend: Backend<Pkcs11Reference> = { open, generate };

async function open(reference: Pkcs11Reference, surroundings: BackendSurroundings): Promise<BackendKey> {
  const { connection, release } = join(reference, surroundings);
  return opened(reference, connection, release, surroundings.signal);
}

/** Takes part in the connection to the token of a reference. */
function join(
  reference: Pkcs11Reference,
  surroundings: BackendSurroundings,
): { readonly connection: TokenConnection; readonly release: () => Promise<void> } {
  const { module, token, pinSource } = reference;
  const name = JSON.stringify([module, token, pinSource]);
  const entry = shared.get(name) ?? {
    connection: new TokenConnection(settingsOf(reference, surroundings)),
    users: 0,
  };
  entry.users++;
  shared.set(name, entry);
  let isReleased = false;
  const release = async (): Promise<void> => {
    if (isReleased) return;
    isReleased = true;
    entry.users--;
    if (entry.users > 0) return;
    if (shared.get(name) === entry) shared.delete(name);
    await entry.connection.close();
  };
  return { connection: entry.connection, release };
}

const settingsOf = (
  { module, token, pinSource }: Pkcs11Reference,
  surroundings: BackendSurroundings,
): ConstructorParameters<typeof TokenConnection>[0] => ({
  module,
  token,
  pin: pinReader(pinSource, surroundings),
  env: surroundings.env,
  // Who is asked at a terminal knows what was wrong before.
  isAttended: surroundings.ask !== undefined,
});

/** The key of a reference; releases the connection where there is none. */
async function opened(
  { key: selector, module }: Pkcs11Reference,
  connection: TokenConnection,
  release: () => Promise<void>,
  signal: AbortSignal,
): Promise<BackendKey> {
  // A start that hangs ends with its process.
  const giveUp = (): void => void release();
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    const key = await connection.key(selector);
    const publicKey = key.spki ?? new Uint8Array();
    const algorithm = publicKeyAlgorithm(publicKey);
    return {
      publicKey,
      algorithm,
      ecdsaForm: 'p1363',
      sign: (input, ended) =>
        connection
          .sign(selector, publicKey, algorithm.startsWith('rsa') ? digestInfo(input) : input, ended)
          .catch((error: unknown) => {
            throw asKeyFailure(error);
          }),
      room: (ended) => connection.room(ended),
      describe: () => describe(connection, key, module.path ?? module.name ?? ''),
      close: release,
    };
  } catch (error) {
    await release();
    throw asKeyFailure(error);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

const SHA256 = sequence(oid('2.16.840.1.101.3.4.2.1'), Uint8Array.of(Tag.null, 0));

/** What CKM_RSA_PKCS signs (RFC 8017 §9.2). A token is not asked to hash: some cannot. */
const digestInfo = (digest: Uint8Array): Uint8Array => sequence(SHA256, octetString(digest));

async function describe(
  connection: TokenConnection,
  key: ShownKey,
  module: string,
): Promise<readonly KeyFact[]> {
  const { library, slots } = await connection.module().catch((error: unknown) => {
    throw asKeyFailure(error);
  });
  return [
    { name: 'module', value: `${module}, ${library}` },
    ...slots.flatMap(({ id, token }) =>
      token?.isInitialized === true
        ? [
            {
              name: 'slot',
              value: `${id}: token "${token.label}", serial ${token.serial}, ${token.model} (${token.manufacturer})`,
            },
          ]
        : [],
    ),
    { name: 'label', value: key.label },
    { name: 'id', value: Buffer.from(key.id).toString('hex') },
    { name: 'leaves the token', value: key.isExtractable ? 'may be exported' : 'never' },
    ...(key.isLoginEachTime ? [{ name: 'login', value: 'for each signature' }] : []),
  ];
}

/** Bytes of the id of a new key. */
const ID_LENGTH = 8;

async function generate(
  reference: Pkcs11Reference,
  type: KeyType,
  surroundings: BackendSurroundings,
): Promise<BackendKey> {
  const { object, id = randomBytes(ID_LENGTH) } = reference.key;
  if (object === undefined)
    throw new SignerError(
      'SIGNER_REFUSED',
      'the URI names no object, which is to be the label of the new key',
      {
        hint: 'Add object=LABEL.',
      },
    );
  const writing = new TokenConnection({ ...settingsOf(reference, surroundings), isForWriting: true });
  const giveUp = (): void => void writing.close();
  surroundings.signal.addEventListener('abort', giveUp, { once: true });
  try {
    if ((await writing.keys({ object })).length > 0 || (await writing.keys({ id })).length > 0)
      throw new SignerError('SIGNER_REFUSED', 'the token has a private key of this object or id already', {
        hint: 'Use that one, or name another: nothing is replaced.',
      });
    await writing.make(type, object, id);
  } catch (error) {
    throw asKeyFailure(error);
  } finally {
    surroundings.signal.removeEventListener('abort', giveUp);
    await writing.close();
  }
  return open({ ...reference, key: { object, id } }, surroundings);
}
