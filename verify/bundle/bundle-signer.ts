/** A bundle as it is judged, and who signed it by its own word. */
import { equalBytes, utf8Text } from '../../core/bytes.ts';
import { parseCertificate, type Certificate } from '../../core/certificate.ts';
import { FormatError } from '../../core/errors.ts';
import { printable } from '../../core/printable.ts';
import { parseBundle, type Bundle } from '../../bundle/format/bundle.ts';
import { readIssued } from '../issued-certificate.ts';
import type { StepRecorder } from '../step.ts';
import { refused, VerifyError } from '../verify-error.ts';
import type { BundleRequest, SignerPolicy } from './bundle-request.ts';
import type { BundleStep } from './bundle-step.ts';
import { readBundleKey, type BundleKey } from './signing-key.ts';

/** Reads the bundle, without roots in its chain. Undefined when that was refused. */
export const readBundle = (
  record: StepRecorder<BundleStep>,
  { bundle: text, allowRootInChain }: Pick<BundleRequest, 'bundle' | 'allowRootInChain'>,
): Promise<Bundle | undefined> =>
  record.run('bundle', () => {
    const read = parseBundle(typeof text === 'string' ? text : utf8Text(text));
    const { bundle: rootless, hasRoot } = withoutRoots(read);
    if (hasRoot && allowRootInChain !== true)
      throw refused(
        'the chain of the bundle has a root in it, as clients of 2023 wrote it: it is refused unless that is allowed, for what a bundle brings is never an anchor',
        'policy',
      );
    const roots = hasRoot ? ', with a root in its chain, which is passed over' : '';
    return [`version ${read.version}, ${CONTENTS[read.content.type]}${roots}`, rootless];
  });

const CONTENTS = { message: 'the signature of an artifact', envelope: 'an attestation' } as const;

/** Who signed: a certificate with its key, or the key of the policy. */
export interface BundleSignerKey {
  readonly key: BundleKey;
  readonly certificate: Certificate | undefined;
}

/** The step that failed when it could not be found out who signed. */
type UnknownSigner = 'certificate' | 'key';

/** Reads the certificate or the key that the policy wants. Returns the step that failed when the bundle has another thing. */
export async function readSigner(
  record: StepRecorder<BundleStep>,
  { signer }: Bundle,
  policy: SignerPolicy,
): Promise<BundleSignerKey | UnknownSigner> {
  if (policy.type === 'key') {
    const key = await record.run('key', () => {
      if (signer.type !== 'key')
        throw refused('the bundle is signed with a certificate, and a key was given', 'policy');
      const read = readPolicyKey(policy.spki);
      const hint =
        signer.hint === '' ? '' : `; the bundle's hint at it is "${printable(signer.hint.slice(0, 200))}"`;
      return [`${read.name}${hint}`, read];
    });
    return key === undefined ? 'key' : { key, certificate: undefined };
  }
  const certificate =
    signer.type === 'certificate'
      ? await readIssued(record, signer.certificate)
      : await record.run<Certificate>('certificate', () => {
          throw refused('the bundle is signed with a key, and no key was given', 'policy');
        });
  if (certificate === undefined) return 'certificate';
  const key = await record.run('key', () => {
    const read = readBundleKey(certificate.spki);
    return [`${read.name}, of the certificate`, read];
  });
  return key === undefined ? 'key' : { key, certificate };
}

/** What is wrong with the key of the policy is no fault of the artifact. */
function readPolicyKey(spki: Uint8Array): BundleKey {
  try {
    return readBundleKey(spki);
  } catch (error) {
    if (error instanceof FormatError || error instanceof VerifyError)
      throw refused(`the given key cannot be used: ${error.message}`, 'policy');
    throw error;
  }
}

/** The bundle without the roots in its chain. Clients put the certificates of CAs into old bundles, some with the root: it leads nowhere, and is never an anchor. */
function withoutRoots(bundle: Bundle): { readonly bundle: Bundle; readonly hasRoot: boolean } {
  const { signer } = bundle;
  if (signer.type !== 'certificate') return { bundle, hasRoot: false };
  const chain = signer.chain.filter((der) => {
    const { subject, issuer } = parseCertificate(der);
    return !equalBytes(subject, issuer);
  });
  return { bundle: { ...bundle, signer: { ...signer, chain } }, hasRoot: chain.length < signer.chain.length };
}
