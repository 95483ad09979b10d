/** Keys and certificates in requests to a log of the first API: one block of PEM. */
import { utf8Text } from '../../core/bytes.ts';
import { decodePem, encodePem, type PemBlock } from '../../core/pem.ts';
import { entryKeyOfCertificate, entryKeyOfSpki, type EntryKey } from './entry-key.ts';
import { EntryError } from './entry-error.ts';
import { guarded, refusal } from './v1-members.ts';

const NO_PEM = 'invalid public key: failure decoding PEM';

/** The key of a text in PEM. Throws {@link EntryError}. */
export function readV1Verifier(pem: Uint8Array): EntryKey {
  const { label, bytes } = onlyBlock(pem);
  if (label === 'PUBLIC KEY') return entryKeyOfSpki(bytes);
  if (label === 'CERTIFICATE') return entryKeyOfCertificate(bytes);
  throw refusal('ENTRY_KEY_REFUSED', 'the PEM block is neither a public key nor a certificate', {
    stock: `invalid public key: cannot handle type ${label}`,
  });
}

/** Nothing may stand around it but blanks. */
function onlyBlock(pem: Uint8Array): PemBlock {
  const text = guarded('the public key', NO_PEM, () => utf8Text(pem).trim());
  const blocks = guarded('the public key', NO_PEM, () => decodePem(text, 2));
  const [block] = blocks;
  if (block === undefined || !text.startsWith('-----BEGIN ')) throw noPem();
  if (blocks.length > 1)
    throw refusal('ENTRY_KEY_REFUSED', 'the PEM has more than one block', {
      hint: 'Send the certificate that signed, without the chain above it.',
    });
  if (block.headers.length > 0 || !text.endsWith(`-----END ${block.label}-----`)) throw noPem();
  return block;
}

const noPem = (): EntryError =>
  refusal('ENTRY_KEY_REFUSED', 'the public key is not in PEM', {
    hint: 'Send base64 of a PEM block of type PUBLIC KEY or CERTIFICATE.',
    stock: NO_PEM,
  });

/** The same key or certificate in the form in which logs have it: lines of 64 characters. */
export const canonicalPem = ({ verifier: { certificate, spki } }: EntryKey): string =>
  certificate === undefined ? encodePem('PUBLIC KEY', spki) : encodePem('CERTIFICATE', certificate);

/** The keys of the signatures of an envelope, each read when it is asked for. */
export const entryKeysOf = (pems: readonly Uint8Array[]): readonly (() => EntryKey)[] =>
  pems.map((pem) => () => {
    try {
      return readV1Verifier(pem);
    } catch (error) {
      if (!(error instanceof EntryError)) throw error;
      const { code, message, hint, cause, stock } = error;
      throw refusal(code, message, {
        ...(hint === undefined ? {} : { hint }),
        cause,
        stock: `could not parse public key as x509: ${stock?.message ?? message}`,
      });
    }
  });
