import { hash } from 'node:crypto';
import { toHex, utf8 } from '../core/bytes.ts';
import { encodePem } from '../core/pem.ts';
import { logV3Json } from '../ct-log/format/log-v3-json.ts';
import type { CtLogIdentity } from '../ct-log/log-identity.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { encodeVkey, makeVkey } from '../tlog/format/vkey.ts';
import { encodeClientTrustConfig, encodeSigningConfig, type SigningConfig } from './format/signing-config.ts';
import { encodeTrustedRoot, type TrustedRoot, type Window } from './format/trusted-root.ts';
import type { InstanceTrust } from './ledger.ts';
import { pkcs12Store } from './pkcs12-store.ts';
import { pkcs7Bundle } from './pkcs7-bundle.ts';
import { hostOf, isOwnPath, OWN_PATHS, withPublicUrl } from './public-urls.ts';
import { signingConfigOf, type ServiceUrls } from './signing-services.ts';
import { logKey } from './union.ts';

/** What the export says besides the material itself. */
export interface ExportNotes extends ServiceUrls {
  /** Whether certificates of this instance mean nothing to anybody else. */
  readonly isDevelopment: boolean;
  /** Version of the program. */
  readonly version: string;
  /** What has ended by this time, in milliseconds since the epoch, is left out of the files that cannot say when it did. */
  readonly now: number;
}

/** The name of the file with everything. */
export const TRUSTED_ROOT_FILE = 'trusted_root.json';
/** The name of the file with the services. */
export const SIGNING_CONFIG_FILE = 'signing_config.v0.2.json';
/** The name of the file with the key of the own log of artifacts for clients of Rekor v1: as a target of TUF has it. */
export const REKOR_KEY_FILE = 'rekor.pub';
/** The name of the file with the hashes of the others. */
export const CHECKSUMS_FILE = 'SHA256SUMS';

/** Whether a directory of an export, or one that follows a TUF repository, has a file of that name at one time and not at another. */
export const isPassingFile = (name: string): boolean =>
  /^(tsa\.pem|log-\w[\w.-]*\.pub\.pem|(fulcio|fulcio_intermediate|tsa)_\w+\.crt\.pem|(ctfe|rekor)(_\d+)?\.pub|rekor\.vkey)$/.test(
    name,
  );

/**
 * The files that verifiers and signing clients are given, name → content, in the order in which a person would look at them:
 *
 * - `trusted_root.json`: everything that is trusted, with the times for which, as clients of Sigstore read it;
 * - `signing_config.v0.2.json`: where they sign; `client_trust_config.json`: both in one file;
 * - `root.pem`: the anchors, the one in force first;
 * - `intermediate.pem`: what stands between them and a leaf, issuing CA first (a root that issues by itself stands here
 *   too, so that the file is never empty), and behind it the intermediates of other chains;
 * - `chain.pem`: the chain in force, as `GET /api/v1/rootCert` returns it;
 * - `trust.p7b`: the certificates of `root.pem` and `intermediate.pem`, for programs that import them; `trust.p12`: the anchors
 *   alone, for programs of Java;
 * - `tsa.pem`: the chain of the timestamp authority, where there is one;
 * - `log.pub.pem`: the key of SCTs and tree heads;
 * - `log.vkey`: the keys of checkpoints of all our logs, one a line, the one in use first: static-ct-api (0x05, the whole
 *   SubjectPublicKeyInfo as material) and Ed25519 (0x01);
 * - `log.v3.json`: the log's description, as the log serves it;
 * - `rekor.pub`: the key of the log of artifacts in use for clients of Rekor v1, where it takes entries; `rekor.vkey`: the keys of checkpoints of all of ours for v2, one a line,
 *   the one in use first;
 * - `log-NAME.pub.pem`: the keys of other logs; of those of others NAME is the beginning of their id;
 * - `SHA256SUMS`: the hash of each.
 *
 * PEM, PKCS#7 and PKCS#12 have no place for times: what has ended is in `trusted_root.json` alone.
 */
export function exportTrust(trust: InstanceTrust, notes: ExportNotes): ReadonlyMap<string, Uint8Array> {
  const trustedRoot = withPublicUrl(trust.root, notes.publicUrl);
  const signingConfig = signingConfigOf(trust, notes);
  const files = new Map<string, string | Uint8Array>([
    [TRUSTED_ROOT_FILE, encodeTrustedRoot(trustedRoot)],
    [SIGNING_CONFIG_FILE, encodeSigningConfig(signingConfig)],
    ['client_trust_config.json', encodeClientTrustConfig({ trustedRoot, signingConfig })],
    ...certificateFiles(trust, notes.now),
    ...ownLogFiles(trust.logs, notes),
    ...artifactLogFiles(trust),
    ...otherLogFiles(trust, notes.now),
  ]);
  return withChecksums(files);
}

/**
 * The files of {@link exportTrust} that follow from what a TUF repository has: all but `log.vkey`, `log.v3.json` and `rekor.vkey`, which have the names and second
 * keys of logs. `targets` are those that were fetched; what they hold stays as it is. The one in force is the first of its kind that has not
 * ended by `now`; keys of other logs are named by the beginning of their ids.
 */
export function filesOfTargets(
  targets: ReadonlyMap<string, Uint8Array>,
  {
    trustedRoot,
    signingConfig,
  }: { readonly trustedRoot: TrustedRoot; readonly signingConfig: SigningConfig | undefined },
  now: number,
): ReadonlyMap<string, Uint8Array> {
  const firstOpen = <T extends { readonly window: Window }>(entries: readonly T[]): readonly T[] =>
    entries.filter(({ window }) => !hasEnded(window, now)).slice(0, 1);
  const inForce = {
    ...trustedRoot,
    certificateAuthorities: firstOpen(trustedRoot.certificateAuthorities),
    timestampAuthorities: firstOpen(trustedRoot.timestampAuthorities),
  };
  const [log] = firstOpen(trustedRoot.certificateLogs);
  const files = new Map<string, string | Uint8Array>([
    ...(signingConfig === undefined
      ? []
      : [['client_trust_config.json', encodeClientTrustConfig({ trustedRoot, signingConfig })] as const]),
    ...certificateFiles({ root: trustedRoot, inForce }, now),
    ...(log === undefined ? [] : [['log.pub.pem', encodePem('PUBLIC KEY', log.publicKey)] as const]),
    ...otherLogFiles({ root: trustedRoot, logs: log === undefined ? [] : [{ ...log, name: '' }] }, now),
    ...targets,
  ]);
  return withChecksums(files);
}

function withChecksums(files: ReadonlyMap<string, string | Uint8Array>): ReadonlyMap<string, Uint8Array> {
  const contents = new Map(
    [...files].map(([name, file]) => [name, typeof file === 'string' ? utf8(file) : file] as const),
  );
  return contents.set(CHECKSUMS_FILE, utf8(checksums(contents)));
}

type Files = readonly (readonly [name: string, content: string | Uint8Array])[];

function certificateFiles({ root, inForce }: Pick<InstanceTrust, 'root' | 'inForce'>, now: number): Files {
  const chains = root.certificateAuthorities
    .filter(({ window }) => !hasEnded(window, now))
    .map(({ chain }) => chain);
  const [inForceChain = []] = inForce.certificateAuthorities.map(({ chain }) => chain);
  const roots = distinct(chains.map((chain) => chain.slice(-1)).flat());
  const intermediates = distinct(
    chains.flatMap((chain) => (chain === inForceChain && chain.length === 1 ? chain : chain.slice(0, -1))),
  );
  const timestamps = inForce.timestampAuthorities.flatMap(({ chain }) => chain);
  return [
    ['root.pem', pem(roots)],
    ['intermediate.pem', pem(intermediates)],
    ['chain.pem', pem(inForceChain)],
    ['trust.p7b', pkcs7Bundle(distinct([...roots, ...intermediates]))],
    ['trust.p12', pkcs12Store(roots.map((der, index) => ({ name: `root-${index + 1}`, der })))],
    ...(timestamps.length === 0 ? [] : [['tsa.pem', pem(timestamps)] as const]),
  ];
}

function ownLogFiles([current, ...others]: readonly CtLogIdentity[], notes: ExportNotes): Files {
  if (current === undefined) return [];
  return [
    ['log.pub.pem', encodePem('PUBLIC KEY', current.publicKey)],
    ['log.vkey', [current, ...others].map(vkeys).join('')],
    ['log.v3.json', description(current, notes)],
  ];
}

/** cosign 2 reads one key of `rekor.pub`. Checkpoints are checked for as long as anybody reads a log, also when it has ended. */
function artifactLogFiles({ root, artifactLogs }: InstanceTrust): Files {
  const first = artifactLogs.find(({ api }) => api === 1);
  const vkeyLines = root.artifactLogs
    .filter(({ baseUrl, keyDetails }) => isOwnPath(baseUrl) && keyDetails === 'PKIX_ED25519')
    .map(({ baseUrl, publicKey }) =>
      encodeVkey(makeVkey(sha256, hostOf(baseUrl) ?? '', 'ed25519', publicKey.subarray(-32))),
    );
  return [
    ...(first === undefined ? [] : [[REKOR_KEY_FILE, encodePem('PUBLIC KEY', first.publicKey)] as const]),
    ...(vkeyLines.length === 0
      ? []
      : [['rekor.vkey', vkeyLines.map((line) => `${line}\n`).join('')] as const]),
  ];
}

interface LogsOfTrust {
  readonly root: TrustedRoot;
  /** Those with a name, the one in use first. */
  readonly logs: readonly Pick<CtLogIdentity, 'logId' | 'name'>[];
}

function otherLogFiles({ root, logs: [current, ...others] }: LogsOfTrust, now: number): Files {
  const names = new Map(others.map((log) => [logKey(log), log.name]));
  return root.certificateLogs
    .filter((log) => (current === undefined || logKey(log) !== logKey(current)) && !hasEnded(log.window, now))
    .map((log) => [
      `log-${names.get(logKey(log)) ?? logKey(log).slice(0, 16)}.pub.pem`,
      encodePem('PUBLIC KEY', log.publicKey),
    ]);
}

const hasEnded = ({ end }: Window, now: number): boolean => end !== undefined && end < now;

const pem = (ders: readonly Uint8Array[]): string =>
  ders.map((der) => encodePem('CERTIFICATE', der)).join('');

const distinct = (ders: readonly Uint8Array[]): readonly Uint8Array[] => [
  ...new Map(ders.map((der) => [toHex(der), der])).values(),
];

const vkeys = ({ origin, publicKey, ed25519PublicKey }: CtLogIdentity): string =>
  [makeVkey(sha256, origin, 'static-ct', publicKey), makeVkey(sha256, origin, 'ed25519', ed25519PublicKey)]
    .map((vkey) => `${encodeVkey(vkey)}\n`)
    .join('');

function description(log: CtLogIdentity, { publicUrl, isDevelopment, version }: ExportNotes): string {
  const fields = logV3Json({
    origin: log.origin,
    logId: log.logId,
    publicKey: log.publicKey,
    createdAt: log.createdAt,
    url: `${publicUrl}${OWN_PATHS.log(log.name)}`.replace(/\/$/, ''),
    intendedUse: isDevelopment ? 'test' : 'production',
    software: { name: 'mayfly', version },
  });
  return `${JSON.stringify(fields, undefined, 2)}\n`;
}

/** As `sha256sum -c` reads them. */
const checksums = (files: ReadonlyMap<string, Uint8Array>): string =>
  [...files].map(([name, content]) => `${hash('sha256', content)}  ${name}\n`).join('');
