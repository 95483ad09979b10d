/** Submission of certificates by other CAs, as the configuration has it. */
import type { SubmissionConfig } from '../config/settings/log-config.ts';
import { toHex } from '../core/bytes.ts';
import { parseCertificate, type Certificate } from '../core/certificate.ts';
import { FormatError, messageOf } from '../core/errors.ts';
import { keyWeakness } from '../core/key-weakness.ts';
import { decodePem } from '../core/pem.ts';
import { parsePublicKey } from '../core/public-key.ts';
import { AuthorityError } from '../ca/authority-error.ts';
import { basicConstraints } from '../ca/ca-extensions.ts';
import type { CtLog } from '../ct-log/ct-log.ts';
import { Submissions } from '../ct-log/submission/submissions.ts';
import { SubmittedChains } from '../ct-log/submission/submitted-chain.ts';
import { readWhole } from '../storage/read-whole.ts';
import { sha256 } from '../tlog/core/sha256.ts';

/** It, open. */
export interface OpenedSubmission {
  readonly config: SubmissionConfig;
  readonly chains: SubmittedChains;
  readonly submissions: Pick<Submissions, 'add' | 'isShared' | 'failure' | 'close'>;
}

/** Of the file; and milliseconds that a pipe may take. */
const LIMITS = { size: 1024 * 1024, pipePatience: 60_000 };
const MOST_ROOTS = 64;

/** The roots of the file that the configuration names. Rejects with AuthorityError for a file that cannot be read or holds something else than certificates of CAs. */
export async function readAcceptedRoots({ rootsFile }: SubmissionConfig): Promise<readonly Certificate[]> {
  try {
    const blocks = decodePem((await readWhole(rootsFile, LIMITS)).toString('utf8'), MOST_ROOTS + 1);
    if (blocks.length === 0 || blocks.some(({ label }) => label !== 'CERTIFICATE'))
      throw new FormatError('MALFORMED', 'it holds something else than certificates');
    if (blocks.length > MOST_ROOTS)
      throw new FormatError('TOO_LARGE', `it holds more than ${MOST_ROOTS} certificates`);
    return blocks.map(({ bytes }) => usableRoot(bytes));
  } catch (error) {
    const message = `${rootsFile}, the file of mayfly.log.submission.roots, cannot be used: ${messageOf(error)}`;
    throw new AuthorityError('CHAIN_MALFORMED', message, {
      hint: 'Write a PEM file with the root certificates of the CAs that may hand in certificates.',
    });
  }
}

function usableRoot(der: Uint8Array): Certificate {
  const root = parseCertificate(der);
  const weakness = keyWeakness(parsePublicKey(root.spki));
  if (weakness !== undefined) throw new FormatError('UNSUPPORTED', `the key of a root ${weakness}`);
  if (basicConstraints(root)?.ca !== true) throw new FormatError('MALFORMED', 'one of them is no CA');
  return root;
}

/** Opens it for a log in `directory`. `ownIssuers` are the SubjectPublicKeyInfos (DER) of the CAs that log what they issue themselves. */
export async function openSubmission(
  config: SubmissionConfig,
  roots: readonly Certificate[],
  log: CtLog,
  directory: string,
  ownIssuers: readonly Uint8Array[],
): Promise<OpenedSubmission> {
  const ownKeys = new Set(ownIssuers.map((spki) => toHex(sha256(spki))));
  const usages = config.usages && new Set(config.usages);
  const chains = new SubmittedChains({ roots, usages, ownKeys });
  return { config, chains, submissions: await Submissions.open(log, directory) };
}
