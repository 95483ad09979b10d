/** `mayfly log proof`: an inclusion proof for one certificate, or for one entry of a log of artifacts. */
import { lstat } from 'node:fs/promises';
import { toBase64 } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import { proveCertificate, type CertificateProof } from '../../ct-log/proof.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { BUNDLE_LIMIT, readFileOrStdin } from '../program/input-file.ts';
import { entryProof, readBundle, type EntryOptions, type FoundEntryProof } from './entry-proof.ts';
import { verifiedCheckpoint } from './log-head.ts';
import { verifyCheckpoint, type VerifiedCheckpoint } from '../../tlog/tree/verify-head.ts';
import { readHead } from '../verify/head-file.ts';
import { endingSoon, openTarget, withLogOf, type LogTarget, type TargetOptions } from './log-target.ts';
import { cosignersOf } from './witness-quorum.ts';
import { certificateIn } from '../verify/certificate-file.ts';

/** Options of `mayfly log proof`. */
interface ProofOptions extends TargetOptions, EntryOptions {
  readonly out?: string;
  readonly head?: string;
  /** Of a bundle the certificate is meant. */
  readonly certificate?: true;
}

/** Writes the proof to stdout or `out`; `args[0]` is the file of the certificate, or of the bundle whose entry is meant. */
export async function proof(
  options: ProofOptions,
  speak: Speaker,
  [file]: readonly string[],
): Promise<undefined> {
  if ((file === undefined) === (options.entry === undefined))
    throw new CommandError('USAGE', 'name a certificate or a bundle, or an entry by --entry');
  const bytes = file === undefined ? undefined : await readBytes(file);
  const text = bytes && Buffer.from(bytes).toString();
  if (bytes === undefined || text === undefined || (isJson(text) && options.certificate !== true)) {
    if (options.head !== undefined)
      throw new CommandError('USAGE', '--head is for the proof of a certificate', {
        hint: 'Name the file of the certificate, or say --certificate: that of the bundle.',
      });
    const found = await entryProof(endingSoon(options), text, speak);
    await reportEntry(found, options.out, speak);
    return undefined;
  }
  const path = file === undefined || file === '-' ? 'stdin' : file;
  const certificate = isJson(text) ? certificateOfBundle(text) : certificateIn(bytes, path).certificate;
  const log = await openTarget(await withLogOf(endingSoon(options), certificate, path), speak);
  const { bytes: checkpoint, head } = await headFor(log, options.head);
  const { source, logId } = log;
  const found = await proveCertificate({ source, logId, checkpoint, verified: head }, certificate);
  await reportProof(found, head.size, options.out, speak);
  return undefined;
}

/** The newest head, or the one that was kept: what was logged by then is proven under it. */
async function headFor(
  log: LogTarget,
  path: string | undefined,
): Promise<{ readonly bytes: Uint8Array; readonly head: VerifiedCheckpoint }> {
  const bytes = await readHead(path);
  if (bytes === undefined) return verifiedCheckpoint(log);
  if (log.policy !== undefined) cosignersOf(bytes, log.policy);
  return { bytes, head: verifyCheckpoint(bytes, log.keys) };
}

const readBytes = (file: string): Promise<Uint8Array> =>
  readFileOrStdin(file, 'FILE', FILE_HINT, BUNDLE_LIMIT);

const FILE_HINT = 'Give a certificate, PEM or DER, or the bundle that the signing client wrote.';

const isJson = (text: string): boolean => text.trimStart().startsWith('{');

function certificateOfBundle(text: string): Uint8Array {
  const { signer } = readBundle(text);
  if (signer.type === 'certificate') return signer.certificate;
  throw new CommandError('USAGE', 'the bundle has no certificate: it was signed with a key', {
    hint: 'No log of certificates knows of it.',
  });
}

async function reportEntry(
  { api, logIndex, index, size, leafHash, proof: bytes }: FoundEntryProof,
  out: string | undefined,
  speak: Speaker,
): Promise<void> {
  const facts = { api: `v${api}`, logIndex, index, size, leafHash: toBase64(leafHash) };
  await report(
    facts,
    `entry ${logIndex} of the log for Rekor v${api}, number ${index} of ${size}`,
    bytes,
    out,
    speak,
  );
}

async function reportProof(
  { index, timestamp, leafHash, proof: bytes }: CertificateProof,
  size: number,
  out: string | undefined,
  speak: Speaker,
): Promise<void> {
  const facts = { index, size, time: rfc3339(timestamp), leafHash: toBase64(leafHash) };
  await report(facts, `entry ${index} of ${size}, logged ${rfc3339(timestamp)}`, bytes, out, speak);
}

async function report(
  facts: Readonly<Record<string, unknown>>,
  sentence: string,
  bytes: Uint8Array,
  out: string | undefined,
  speak: Speaker,
): Promise<void> {
  const text = new TextDecoder().decode(bytes);
  if (out === undefined) speak.note(sentence);
  else await replaceFile(out, bytes);
  speak.answer(
    { ...facts, ...(out === undefined ? { proof: text } : { out }) },
    // The answer ends with a newline of its own; a proof on stdout must be the proof and nothing else.
    out === undefined ? text.replace(/\n$/, '') : `${sentence}; proof written to ${out}`,
  );
}

/** Never through a symbolic link, into a pipe or a device: that would be another file than the one named. */
async function replaceFile(out: string, bytes: Uint8Array): Promise<void> {
  const there = await lstat(out).catch(() => undefined);
  if (there !== undefined && !there.isFile())
    throw new CommandError('REFUSED', `--out: ${out} is there and is not a file`, {
      hint: 'Name a file, or leave --out away: the proof goes to stdout.',
    });
  await writeDurably(out, bytes, 0o644).catch((error: unknown) => {
    throw new CommandError('FAILED', `--out: ${out} cannot be written: ${messageOf(error)}`);
  });
}
