/** Keys of the transit engine of OpenBao and Vault, over HTTPS. docs/transit.md says how it is set up. */
import type { Backend, BackendKey, BackendSurroundings } from '../backend.ts';
import type { TransitReference } from '../key-reference.ts';
import type { KeyType } from '../key-types.ts';
import { SignerError } from '../signer-error.ts';
import { openedKey, readKey, TRANSIT_TYPES, type KeyPlace } from './transit-key.ts';
import { useSession, type SessionUse } from './transit-session.ts';
import { engineOf, settingsOf } from './transit-settings.ts';

/** What {@link openSigner} reaches such keys by. */
export const backend: Backend<TransitReference> = {
  open: (reference, surroundings) => inSession(reference, surroundings, open),
  generate: (reference, type, surroundings) =>
    inSession(reference, surroundings, (use, place, around) => generate(use, place, type, around)),
};

/** Releases the session where the key is not opened. */
async function inSession(
  reference: TransitReference,
  surroundings: BackendSurroundings,
  work: (use: SessionUse, place: KeyPlace, surroundings: BackendSurroundings) => Promise<BackendKey>,
): Promise<BackendKey> {
  const { env, note = () => undefined } = surroundings;
  const place = { engine: engineOf(env), reference };
  const use = await useSession(settingsOf(reference, env), note);
  try {
    return await work(use, place, surroundings);
  } catch (error) {
    await use.release();
    throw error;
  }
}

async function open(
  use: SessionUse,
  place: KeyPlace,
  { signal, note = () => undefined }: BackendSurroundings,
): Promise<BackendKey> {
  return openedKey(use, place, await readKey(use.session, place, signal), note);
}

/** The engine says nothing when it is to make a key that is there. */
async function generate(
  use: SessionUse,
  place: KeyPlace,
  type: KeyType,
  surroundings: BackendSurroundings,
): Promise<BackendKey> {
  const { session } = use;
  const { signal } = surroundings;
  const { engine, reference } = place;
  const there = await readKey(session, place, signal).catch((error: unknown) => {
    if (error instanceof SignerError && error.code === 'SIGNER_KEY_GONE') return undefined;
    throw error;
  });
  if (there !== undefined || reference.version !== undefined)
    throw new SignerError(
      'SIGNER_REFUSED',
      `there is a key ${reference.key} already, or a version is named`,
      {
        hint: 'Name one that is not there, without a version.',
      },
    );
  const path = `${engine}/keys/${reference.key}`;
  const body = { type: TRANSIT_TYPES[type], exportable: false, allow_plaintext_backup: false };
  await session.ask({ method: 'POST', path, body, signal }).catch((error: unknown) => {
    if (!(error instanceof SignerError) || error.code !== 'SIGNER_DENIED') throw error;
    throw new SignerError('SIGNER_DENIED', error.message, {
      hint: `To make the key, the policy needs: path "${path}" { capabilities = ["create", "update", "read"] }`,
    });
  });
  return open(use, place, surroundings);
}
