/** Puts a signature into logs of signatures (Rekor), by Sigstore's own packages. */
import { createHash } from 'node:crypto';
import { toMessageSignatureBundle, type Bundle, type TransparencyLogEntry } from '@sigstore/bundle';
import { RekorWitness } from '@sigstore/sign';
import { messageOf } from '../../core/errors.ts';
import { printable } from '../../core/printable.ts';
import { preAuthenticationEncoding } from '../../bundle/format/envelope.ts';
import type { SigningService } from '../../trust/format/signing-config.ts';
import { parseUrl } from '../certificate/http.ts';
import { CommandError } from '../program/command.ts';

type SignedContent = Bundle['content'];

/** Milliseconds for one answer: a log of the second version answers when a checkpoint covers the entry. */
const TIMEOUT_MS = 30_000;

/** An entry of each log, in their order; nothing of them is verified. `certificatePem` is that of the signer. Rejects with {@link CommandError} where a log takes none. */
export async function logSignature(
  content: SignedContent,
  certificatePem: string,
  logs: readonly SigningService[],
): Promise<readonly TransparencyLogEntry[]> {
  const entries = logs.map(async ({ url, majorApiVersion }) => {
    const rekorBaseURL = parseUrl(url, 'the URL of the log').href.replace(/(?<!\/)\/+$/, '');
    const options = { rekorBaseURL, majorApiVersion, timeout: TIMEOUT_MS, retry: { retries: 2 } };
    const proposed = majorApiVersion === 2 ? asMessage(content) : content;
    try {
      return (await new RekorWitness(options).testify(proposed, certificatePem)).tlogEntries;
    } catch (error) {
      throw refusal(rekorBaseURL, error);
    }
  });
  return (await Promise.all(entries)).flat();
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
  const isTheirs = status === undefined || status === 429 || status >= 500;
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
