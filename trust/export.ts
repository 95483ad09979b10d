import { encodePem } from '../core/pem.ts';
import { logV3Json } from '../ct-log/format/log-v3-json.ts';
import { encodeVkey, makeVkey } from '../tlog/format/vkey.ts';
import type { CtLogIdentity } from '../ct-log/log-identity.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { TrustMaterial } from './collect.ts';

/** What the export says besides the material itself; nothing of it is trusted. */
interface ExportNotes {
  /** Where the log can be read, with its scheme. */
  readonly logUrl: string;
  /** Whether certificates of this instance mean nothing to anybody else. */
  readonly isDevelopment: boolean;
  /** Version of the program. */
  readonly version: string;
}

/** Names of the files, in the order in which a person would look at them. */
type TrustFile = 'root.pem' | 'intermediate.pem' | 'chain.pem' | 'log.pub.pem' | 'log.vkey' | 'log.v3.json';

/**
 * The files that verifiers are given, name → content:
 *
 * - `root.pem`: the root alone, the anchor;
 * - `intermediate.pem`: what stands between it and a leaf, issuing CA first (a root that issues by itself stands here
 *   too, so that the file is never empty), and behind it the intermediates of chains that issued before;
 * - `chain.pem`: both, as `GET /api/v1/rootCert` returns them;
 * - `log.pub.pem`: the key of SCTs and tree heads;
 * - `log.vkey`: the keys of checkpoints, one a line: static-ct-api (0x05, the whole SubjectPublicKeyInfo as material)
 *   and Ed25519 (0x01);
 * - `log.v3.json`: the log's description, as the log serves it.
 */
export function exportTrust(
  { chain, former, log }: TrustMaterial,
  notes: ExportNotes,
): ReadonlyMap<TrustFile, string> {
  const pems = chain.map((der) => encodePem('CERTIFICATE', der));
  const issuing = pems.length > 1 ? pems.slice(0, -1) : pems;
  const before = former.flatMap((ders) => ders.slice(0, -1).map((der) => encodePem('CERTIFICATE', der)));
  return new Map([
    ['root.pem', pems.slice(-1).join('')],
    ['intermediate.pem', [...new Set([...issuing, ...before])].join('')],
    ['chain.pem', pems.join('')],
    ['log.pub.pem', encodePem('PUBLIC KEY', log.publicKey)],
    ['log.vkey', vkeys(log)],
    ['log.v3.json', description(log, notes)],
  ]);
}

const vkeys = ({ origin, publicKey, ed25519PublicKey }: CtLogIdentity): string =>
  [makeVkey(sha256, origin, 'static-ct', publicKey), makeVkey(sha256, origin, 'ed25519', ed25519PublicKey)]
    .map((vkey) => `${encodeVkey(vkey)}\n`)
    .join('');

function description(log: CtLogIdentity, { logUrl, isDevelopment, version }: ExportNotes): string {
  const fields = logV3Json({
    origin: log.origin,
    logId: log.logId,
    publicKey: log.publicKey,
    createdAt: log.createdAt,
    url: logUrl,
    intendedUse: isDevelopment ? 'test' : 'production',
    software: { name: 'mayfly', version },
  });
  return `${JSON.stringify(fields, undefined, 2)}\n`;
}
