/** Puts a signature into logs of signatures (Rekor). */
import { parseCertificate } from '../../core/certificate.ts';
import { FormatError } from '../../core/errors.ts';
import type { BundleEntry } from '../../bundle/format/bundle-entry.ts';
import type { BundleContent } from '../../bundle/format/bundle.ts';
import { preAuthenticationEncoding } from '../../bundle/format/envelope.ts';
import { requireBodyOf } from '../../rekor/format/entry-body.ts';
import { HASHES_BY_NAME, rememberedDigest, type EntryDigest } from '../../rekor/format/entry-digest.ts';
import { entryRequest } from '../../rekor/format/entry-request.ts';
import type { LoggedSignature } from '../../rekor/format/logged-signature.ts';
import type { SigningService } from '../../trust/format/signing-config.ts';
import { CommandError } from '../program/command.ts';
import { platformCrypto } from '../verify/platform-crypto.ts';
import { requestEntry } from './log-client.ts';

/** An entry of each log, in their order, all asked for at once. Each is about the signature and its certificate (DER); nothing else of it is verified. Rejects with {@link CommandError}
 * where a log takes none, and with {@link FormatError} for a signature of which logs have no entries. */
export async function logSignature(
  content: BundleContent,
  certificate: Uint8Array,
  logs: readonly SigningService[],
): Promise<readonly BundleEntry[]> {
  const logged = loggedSignature(content, certificate);
  const digest = rememberedDigest((hash, data) => platformCrypto.digest(hash, data));
  return await Promise.all(logs.map((log) => logIn(log, logged, digest)));
}

async function logIn(
  { url, majorApiVersion }: SigningService,
  logged: LoggedSignature,
  digest: EntryDigest,
): Promise<BundleEntry> {
  const api = majorApiVersion === 2 ? 2 : 1;
  const entry = await requestEntry(url, api, await entryRequest(api, logged, digest));
  try {
    await requireBodyOf(entry, logged, digest);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError(
      'FAILED',
      `the log of signatures at ${new URL(url).origin} answers with the entry of something else: ${error.message}`,
      { hint: 'Nothing was written: no verifier would take it.', cause: error },
    );
  }
  return entry;
}

function loggedSignature(content: BundleContent, certificate: Uint8Array): LoggedSignature {
  const verifier = { certificate, spki: parseCertificate(certificate).spki };
  if (content.type === 'envelope') {
    const { payload, payloadType, signature, keyId } = content.envelope;
    const encoding = preAuthenticationEncoding(content.envelope);
    const signed = { type: 'envelope', payload, payloadType, keyId } as const;
    return { verifier, signature, signed: { ...signed, preAuthenticationEncoding: encoding } };
  }
  const { digest, signature } = content;
  if (digest === undefined)
    throw new FormatError('MALFORMED', 'the signature is over an artifact whose digest is not there');
  const hash = HASHES_BY_NAME[digest.algorithm];
  return { verifier, signature, signed: { type: 'message', hash, digest: digest.digest } };
}
