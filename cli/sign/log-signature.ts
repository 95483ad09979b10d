/** Puts a signature into logs of signatures (Rekor), by Sigstore's own packages. */
import { createHash } from 'node:crypto';
import {
  bundleToJSON,
  toDSSEBundle,
  toMessageSignatureBundle,
  type Bundle as SigstoreBundle,
} from '@sigstore/bundle';
import { RekorWitness } from '@sigstore/sign';
import { FormatError, messageOf } from '../../core/errors.ts';
import { printable } from '../../core/printable.ts';
import type { BundleEntry } from '../../bundle/format/bundle-entry.ts';
import { parseBundle, type Bundle, type BundleContent } from '../../bundle/format/bundle.ts';
import { preAuthenticationEncoding } from '../../bundle/format/envelope.ts';
import type { SigningService } from '../../trust/format/signing-config.ts';
import { parseUrl } from '../certificate/http.ts';
import { CommandError } from '../program/command.ts';

type SignedContent = SigstoreBundle['content'];

/** Milliseconds for one answer: a log of the second version answers when a checkpoint covers the entry. */
const TIMEOUT_MS = 30_000;

/** An entry of each log, in their order; nothing of them is verified. `certificatePem` is that of the signer. Rejects with {@link CommandError} where a log takes none. */
export async function logSignature(
  { content, signer }: Pick<Bundle, 'content' | 'signer'>,
  certificatePem: string,
  logs: readonly SigningService[],
): Promise<readonly BundleEntry[]> {
  const bundle = ofPackage(content, signer.type === 'certificate' ? signer.certificate : new Uint8Array());
  const entries = logs.map(async ({ url, majorApiVersion }) => {
    const rekorBaseURL = parseUrl(url, 'the URL of the log').href.replace(/(?<!\/)\/+$/, '');
    const options = { rekorBaseURL, majorApiVersion, timeout: TIMEOUT_MS, retry: { retries: 2 } };
    const proposed = majorApiVersion === 2 ? asMessage(bundle.content) : bundle.content;
    try {
      return (await new RekorWitness(options).testify(proposed, certificatePem)).tlogEntries;
    } catch (error) {
      throw refusal(rekorBaseURL, error);
    }
  });
  bundle.verificationMaterial.tlogEntries = (await Promise.all(entries)).flat();
  return entriesOf(bundle, logs);
}

/** The same as the package has it. */
function ofPackage(content: BundleContent, certificate: Uint8Array): SigstoreBundle {
  const common = { certificate: Buffer.from(certificate), certificateChain: false };
  if (content.type === 'envelope') {
    const { payload, payloadType, signature } = content.envelope;
    const envelope = { artifact: Buffer.from(payload), artifactType: payloadType };
    return toDSSEBundle({ ...common, ...envelope, signature: Buffer.from(signature) });
  }
  const digest = Buffer.from(content.digest?.digest ?? []);
  return toMessageSignatureBundle({ ...common, digest, signature: Buffer.from(content.signature) });
}

function entriesOf(bundle: SigstoreBundle, [log]: readonly SigningService[]): readonly BundleEntry[] {
  try {
    return parseBundle(JSON.stringify(bundleToJSON(bundle))).entries;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw refusal(log?.url ?? '', error);
  }
}

/** Logs of the second version have no entries of envelopes: what is logged is the signature over the encoding of one. */
function asMessage(content: SignedContent): SignedContent {
  if (content.$case === 'messageSignature') return content;
  const { payload, payloadType, signatures } = content.dsseEnvelope;
  const [signature] = signatures;
  const digest = createHash('sha256').update(preAuthenticationEncoding({ payload, payloadType })).digest();
  return toMessageSignatureBundle({ digest, signature: signature?.sig ?? Buffer.alloc(0) }).content;
}

function refusal(url: string, error: unknown): CommandError {
  const { cause } = error as { cause?: { statusCode?: unknown } };
  const status = typeof cause?.statusCode === 'number' ? cause.statusCode : undefined;
  const isTheirs = status === undefined ? !(error instanceof FormatError) : status === 429 || status >= 500;
  const said = printable(messageOf(error).slice(0, 300));
  return new CommandError(
    'FAILED',
    `the log of signatures at ${new URL(url).origin} took no entry: ${said}`,
    {
      hint: 'Nothing was written. The signing config names the log: is it that of these services?',
      metadata: isTheirs ? { unavailable: String(status ?? 'no answer') } : {},
      cause: error,
    },
  );
}
