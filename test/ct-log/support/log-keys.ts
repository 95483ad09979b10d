import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { SignatureAlgorithm, Signer } from '../../../core/signer.ts';
import type { LogSigners } from '../../../ct-log/head-signer.ts';

function signer(key: KeyObject, publicKey: KeyObject, algorithm: SignatureAlgorithm): Signer {
  const hash = algorithm === 'ed25519' ? null : 'sha256';
  return {
    publicKey: publicKey.export({ format: 'der', type: 'spki' }),
    algorithm,
    sign: (data) => Promise.resolve(sign(hash, data, key)),
  };
}

/** A P-256 signer with a new key. */
export function ecdsaSigner(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return signer(privateKey, publicKey, 'ecdsa-p256-sha256');
}

/** New keys of a log. */
export function logSigners(): LogSigners {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { treeHead: ecdsaSigner(), checkpoint: signer(privateKey, publicKey, 'ed25519') };
}

/** The signer of the same key in PEM, to hand it to a child process. */
export function exportableSigners(): { signers: LogSigners; pem: { treeHead: string; checkpoint: string } } {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed = generateKeyPairSync('ed25519');
  const pem = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' }) as string;
  return {
    signers: {
      treeHead: signer(ec.privateKey, ec.publicKey, 'ecdsa-p256-sha256'),
      checkpoint: signer(ed.privateKey, ed.publicKey, 'ed25519'),
    },
    pem: { treeHead: pem(ec.privateKey), checkpoint: pem(ed.privateKey) },
  };
}

/** What {@link exportableSigners} exported. */
export function importSigners(
  treeHead: KeyObject,
  checkpoint: KeyObject,
  publicOf: (key: KeyObject) => KeyObject,
): LogSigners {
  return {
    treeHead: signer(treeHead, publicOf(treeHead), 'ecdsa-p256-sha256'),
    checkpoint: signer(checkpoint, publicOf(checkpoint), 'ed25519'),
  };
}
