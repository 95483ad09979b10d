/**
 * Making a CA: a root that signs one intermediate and then goes offline, and the intermediate that issues. Both
 * follow Fulcio's certificate specification.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import {
  certify,
  CA_KEY_TYPES,
  YEAR,
  derOf,
  intermediateExtensions,
  INTERMEDIATE_LIFETIME,
  rootExtensions,
  type CaKeyType,
  type CertificateSigner,
  type Subject,
} from './certify.ts';
import { CeremonyError } from './ceremony-error.ts';
import { generateKey } from '../signers/key-types.ts';
import * as x509 from './x509.ts';

/** What is asked of a new CA. */
interface CeremonyRequest {
  /** O of both subjects. */
  readonly organization: string;
  /** CN of the root; the intermediate's is this and ` intermediate`. */
  readonly commonName: string;
  /** Text of {@link CaKeyType}; both keys are of this type, so that the chain has one signature scheme. */
  readonly keyType: string;
  readonly clock: Clock;
  /** Puts `INSECURE DEV` into both names. */
  readonly dev: boolean;
}

/** A new CA. Keep the root key away from the server. */
export interface AuthorityChain {
  readonly rootKey: KeyObject;
  readonly intermediateKey: KeyObject;
  readonly rootDer: Uint8Array;
  readonly intermediateDer: Uint8Array;
}

const ROOT_LIFETIME = 10 * YEAR;
/** Upper bound of CN and O in X.509 (ub-common-name, ub-organization-name). */
const MAX_NAME = 64;

/** Makes both keys and both certificates: the root for ten years, the intermediate for three and never past its root.
 * Rejects with {@link CeremonyError} for a key type or a name that does not do. */
export async function createAuthorityChain(request: CeremonyRequest): Promise<AuthorityChain> {
  const keyType = caKeyType(request.keyType);
  const names = subjectNames(request);
  const [rootKey, intermediateKey] = await Promise.all([generateKey(keyType), generateKey(keyType)]);
  const now = Math.floor(request.clock() / 1000) * 1000;
  const root = { key: rootKey, name: names.root, keyType };
  const rootCert = await certify(subjectOf(root), root, now, now + ROOT_LIFETIME, rootExtensions());
  const notAfter = Math.min(now + INTERMEDIATE_LIFETIME, rootCert.notAfter.getTime());
  const intermediate = { key: intermediateKey, name: names.intermediate, keyType };
  const extensions = await intermediateExtensions(rootCert);
  const intermediateCert = await certify(subjectOf(intermediate), root, now, notAfter, extensions);
  return { rootKey, intermediateKey, rootDer: derOf(rootCert), intermediateDer: derOf(intermediateCert) };
}

/** A root on its own, for a CA that is to get a new one. Keep its key away from the server. */
export interface NewRoot {
  readonly rootKey: KeyObject;
  readonly rootDer: Uint8Array;
}

/** Makes a root for ten years. Rejects with {@link CeremonyError} for a key type or a name that does not do. */
export async function createRoot(request: CeremonyRequest): Promise<NewRoot> {
  const keyType = caKeyType(request.keyType);
  const { root: name } = subjectNames(request);
  const rootKey = await generateKey(keyType);
  const now = Math.floor(request.clock() / 1000) * 1000;
  const root = { key: rootKey, name, keyType };
  const certificate = await certify(subjectOf(root), root, now, now + ROOT_LIFETIME, rootExtensions());
  return { rootKey, rootDer: derOf(certificate) };
}

const subjectOf = ({ key, name }: CertificateSigner): Subject => ({ publicKey: createPublicKey(key), name });

function caKeyType(text: string): CaKeyType {
  const found = CA_KEY_TYPES.find((type) => type === text);
  if (found !== undefined) return found;
  if (text === 'ed25519') {
    throw new CeremonyError('KEY_TYPE_UNSUITABLE', 'a CA with an Ed25519 key cannot be used', {
      hint: 'Common clients verify SCTs only below an ECDSA or RSA issuer: use p256, p384, rsa3072 or rsa4096.',
    });
  }
  throw new CeremonyError('KEY_TYPE_UNSUITABLE', 'the key type of the CA is not known', {
    hint: `Use one of ${CA_KEY_TYPES.join(', ')}.`,
  });
}

function subjectNames({ organization, commonName, dev }: CeremonyRequest): {
  root: x509.Name;
  intermediate: x509.Name;
} {
  const mark = dev ? 'INSECURE DEV ' : '';
  const additions = [mark, ' intermediate']
    .filter((part) => part !== '')
    .map((part) => `"${part}"`)
    .join(' and ');
  const name = (cn: string): x509.Name => {
    const o = `${mark}${organization}`;
    if (
      [organization, commonName].some((part) => part.trim() === '') ||
      Math.max(o.length, cn.length) > MAX_NAME
    ) {
      throw new CeremonyError(
        'NAME_UNSUITABLE',
        'the organization or the common name of the CA is empty or too long',
        {
          hint: `Each needs at least one character and may have ${MAX_NAME}, with what Mayfly adds: ${additions}.`,
        },
      );
    }
    // Typed values: the library reads bare strings as a notation, with quotes and number signs that mean something.
    return new x509.Name([{ O: [{ utf8String: o }] }, { CN: [{ utf8String: cn }] }]);
  };
  return { root: name(`${mark}${commonName}`), intermediate: name(`${mark}${commonName} intermediate`) };
}
