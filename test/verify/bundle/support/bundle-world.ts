/** A CA, a certificate log, artifact logs and a timestamp authority, and bundles under them every part of which can be wrong. */
import { createHash, sign } from 'node:crypto';
import { platformCrypto } from '../../../../cli/verify/platform-crypto.ts';
import { encodeBundle } from '../../../../bundle/format/bundle-json.ts';
import { BUNDLE_MEDIA_TYPE, type Bundle } from '../../../../bundle/format/bundle.ts';
import { IN_TOTO_PAYLOAD_TYPE } from '../../../../bundle/format/envelope.ts';
import type { TrustedRoot } from '../../../../trust/format/trusted-root.ts';
import { artifactOfBytes } from '../../../../verify/bundle/artifact.ts';
import { trustOf } from '../../../../verify/bundle/bundle-trust.ts';
import type { BundleRequest } from '../../../../verify/bundle/bundle-request.ts';
import type { BundleVerification } from '../../../../verify/bundle/bundle-verification.ts';
import { verifyBundle } from '../../../../verify/bundle/verify-bundle.ts';
import { exactly } from '../../../../verify/identity-policy.ts';
import { sha256 } from '../../../support/parsers.ts';
import {
  IDENTITY,
  ISSUER,
  KEYS,
  makeWorld,
  T0,
  type Bend,
  type TestKey,
} from '../../../support/verify-world.ts';
import {
  genTime,
  timestampNodes,
  tokenOf,
  trusted,
  type TestAuthorityChain,
  type TokenParts,
} from '../../support/timestamp-world.ts';
import {
  BODIES,
  entryOf,
  rekor1,
  rekor2,
  trustedLog,
  type EntryBend,
  type NotedVerifier,
  type TestArtifactLog,
} from './artifact-log.ts';

/** What is signed. */
export const ARTIFACT = Buffer.from('the artifact');
/** When it is signed, well inside the ten minutes of the certificate. */
export const SIGNED_AT = T0 + 60_000;

/** Everything that a trusted root names, with its keys. */
export interface BundleWorld {
  readonly first: TestArtifactLog;
  readonly second: TestArtifactLog;
  readonly authority: TestAuthorityChain;
  /** The signer's, DER, and its issuing CA and root. */
  readonly certificate: Uint8Array;
  readonly intermediate: Uint8Array;
  readonly root: Uint8Array;
  /** That the certificate is in its log. */
  readonly proof: Uint8Array;
  readonly trustedRoot: TrustedRoot;
}

const LOGS = { first: rekor1(), second: rekor2() };
const authority = await timestampNodes();

/** A world; `bend` is of the certificate. */
export function bundleWorld(bend: Bend = {}): BundleWorld {
  const { certificate, trust, proof } = makeWorld(bend);
  const [intermediate, root] = [...trust.intermediates, ...trust.roots];
  if (intermediate === undefined || root === undefined) throw new Error('no CA');
  const start = T0 - 1000;
  const trustedRoot: TrustedRoot = {
    certificateAuthorities: [
      { organization: '', commonName: '', uri: '', chain: [intermediate, root], window: { start } },
    ],
    certificateLogs: [
      {
        baseUrl: 'https://log.example',
        publicKey: KEYS.log.spki,
        keyDetails: 'PKIX_ECDSA_P256_SHA_256',
        window: { start },
        logId: sha256(KEYS.log.spki),
      },
    ],
    timestampAuthorities: [trusted([authority.leaf, authority.root], { start })],
    artifactLogs: [trustedLog(LOGS.first, { start }), trustedLog(LOGS.second, { start })],
  };
  return { ...LOGS, authority, certificate, intermediate, root, proof, trustedRoot };
}

/** The world in which everything is right. */
export const WORLD = bundleWorld();

/** The signature of a key over bytes. */
export const signatureOf = (data: Uint8Array, { privateKey, hash }: TestKey = KEYS.leaf): Uint8Array =>
  sign(hash, data, privateKey);

/** That of the usual key over the artifact. ECDSA signs differently each time. */
const SIGNATURE = signatureOf(ARTIFACT);

/** A timestamp over a signature. */
export const timestampOf = (
  signature: Uint8Array,
  time = SIGNED_AT,
  by: TestAuthorityChain = authority,
  parts: TokenParts = {},
): Uint8Array => tokenOf(by, { message: signature, time: genTime(time), ...parts });

/** The certificate of a world as logs note it. */
export const noted = ({ certificate }: Pick<BundleWorld, 'certificate'> = WORLD): NotedVerifier => ({
  label: 'CERTIFICATE',
  der: certificate,
});

/** An entry of the first or the second API about a signature over the artifact. */
export const entry1 = (
  signature: Uint8Array,
  bend: EntryBend = {},
  world = WORLD,
): Bundle['entries'][number] =>
  entryOf(world.first, BODIES.hashedrekord1(noted(world), signature, ARTIFACT), SIGNED_AT, bend);
export const entry2 = (
  signature: Uint8Array,
  bend: EntryBend = {},
  world = WORLD,
): Bundle['entries'][number] =>
  entryOf(world.second, BODIES.hashedrekord2(noted(world), signature, ARTIFACT), SIGNED_AT, bend);

/** A good bundle of an artifact's signature, with an entry of each API and a timestamp; changed. */
export function messageBundle(change: Partial<Bundle> = {}, world = WORLD): Bundle {
  const signature = SIGNATURE;
  return {
    mediaType: BUNDLE_MEDIA_TYPE,
    version: '0.3',
    signer: { type: 'certificate', certificate: world.certificate, chain: [] },
    content: {
      type: 'message',
      digest: { algorithm: 'SHA2_256', digest: createHash('sha256').update(ARTIFACT).digest() },
      signature,
    },
    entries: [entry1(signature, {}, world), entry2(signature, {}, world)],
    timestamps: [timestampOf(signature)],
    ...change,
  };
}

/** The signature of a bundle. */
export const signatureIn = ({ content }: Bundle): Uint8Array =>
  content.type === 'envelope' ? content.envelope.signature : content.signature;

/** A statement about the artifact; changed. */
export const statementOf = (change: Record<string, unknown> = {}): Record<string, unknown> => ({
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: 'artifact', digest: { sha256: createHash('sha256').update(ARTIFACT).digest('hex') } }],
  predicateType: 'https://example.com/predicate/v1',
  predicate: { builder: { id: 'https://builder.example' }, steps: 3 },
  ...change,
});

/** What an envelope signs, written down as DSSE has it. */
export const encodingOf = (payload: Uint8Array, payloadType = IN_TOTO_PAYLOAD_TYPE): Buffer =>
  Buffer.concat([
    Buffer.from(`DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `),
    payload,
  ]);

/** A good bundle of an attestation, with an entry of each kind and a timestamp; changed. */
export function attestationBundle(
  statement: Record<string, unknown> | Uint8Array = statementOf(),
  change: Partial<Bundle> = {},
  payloadType = IN_TOTO_PAYLOAD_TYPE,
): Bundle {
  const payload = statement instanceof Uint8Array ? statement : Buffer.from(JSON.stringify(statement));
  const encoding = encodingOf(payload, payloadType);
  const signature = signatureOf(encoding);
  const by = noted();
  const first = [BODIES.dsse1, BODIES.intoto2].map((body, i) =>
    entryOf(WORLD.first, body(by, signature, payload), SIGNED_AT, { logIndex: 2000 + i }),
  );
  const second = entryOf(WORLD.second, BODIES.hashedrekord2(by, signature, encoding), SIGNED_AT);
  return {
    ...messageBundle(),
    content: { type: 'envelope', envelope: { payloadType, payload, signature, keyId: '' } },
    entries: [...first, second],
    timestamps: [timestampOf(signature)],
    ...change,
  };
}

/** Verifies a bundle, or the text of one; the request can be changed. */
export const verified = (
  bundle: Bundle | string,
  {
    trustedRoot = WORLD.trustedRoot,
    ...request
  }: Partial<BundleRequest> & { trustedRoot?: TrustedRoot } = {},
): Promise<BundleVerification> =>
  verifyBundle({
    bundle: typeof bundle === 'string' ? bundle : encodeBundle(bundle),
    artifact: artifactOfBytes(ARTIFACT, platformCrypto),
    trust: trustOf(trustedRoot, platformCrypto),
    signer: { type: 'certificate', identity: { identity: exactly(IDENTITY), issuer: exactly(ISSUER) } },
    clock: SIGNED_AT + 24 * 3_600_000,
    ...request,
  });

/** `ok`, or whose fault it is and the failed steps with their sentences. */
export async function judged(...args: Parameters<typeof verified>): Promise<string> {
  const { ok, fault = 'nobody', steps } = await verified(...args);
  const failed = steps.filter((step) => !step.ok).map(({ name, detail }) => `${name}: ${detail}`);
  return ok ? 'ok' : `${fault} | ${failed.join(' | ')}`;
}
