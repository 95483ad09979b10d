import type { Signer } from '../../signers/signer.ts';
import { mergeSignatures, rootOf, type StagedChange } from './staged-change.ts';
import { signMetadata } from './metadata.ts';
import { TufError } from './tuf-error.ts';
import { tufKey } from './tuf-key.ts';

/** `change` with the signatures of a key: over the root if it is one of its keys, of before or from now on, and over the targets if it is one of theirs.
 * Rejects with {@link TufError} `TUF_REFUSED` for a key that has nothing to sign there. */
export async function signChange(change: StagedChange, signer: Signer): Promise<StagedChange> {
  const id = tufKey(signer.publicKey).keyID;
  // A copy of its own, so that the caller's has the signatures that it had.
  const signed = mergeSignatures([change, change]);
  const { before, root, targets } = signed;
  const rootKeys = [before.root, root].flatMap((one) => one?.signed.roles['root']?.keyIDs ?? []);
  const targetsKeys = rootOf(signed).signed.roles['targets']?.keyIDs ?? [];
  const signsRoot = root !== undefined && rootKeys.includes(id);
  const signsTargets = targets !== undefined && targetsKeys.includes(id);
  if (!signsRoot && !signsTargets) throw nothingToSign(id);
  if (signsRoot) await signMetadata(root, signer);
  if (signsTargets) await signMetadata(targets, signer);
  return signed;
}

const nothingToSign = (id: string): TufError =>
  new TufError('TUF_REFUSED', `the key ${id} has nothing to sign here`, {
    hint: 'Without --key the command says which keys have to sign.',
  });
