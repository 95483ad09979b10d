/** `mayfly log proof`: an inclusion proof for one certificate. */
import { lstat } from 'node:fs/promises';
import { toBase64 } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { FormatError, messageOf } from '../../core/errors.ts';
import { decodePem } from '../../core/pem.ts';
import { proveCertificate, type CertificateProof } from '../../ct-log/proof.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readInput } from '../program/input-file.ts';
import { verifiedCheckpoint } from './log-head.ts';
import { endingSoon, openTarget, type TargetOptions } from './log-target.ts';

/** Writes the proof to stdout or `out`; `args[0]` is the file of the certificate. */
export async function proof(
  options: TargetOptions & { readonly out?: string },
  speak: Speaker,
  args: readonly string[],
): Promise<undefined> {
  const certificate = await readCertificate(args[0] ?? '-');
  const log = await openTarget(endingSoon(options), speak);
  const { bytes, head } = await verifiedCheckpoint(log);
  const { source, logId } = log;
  const found = await proveCertificate({ source, logId, checkpoint: bytes, verified: head }, certificate);
  await tellProof(found, head.size, options.out, speak);
  return undefined;
}

async function tellProof(
  { index, timestamp, leafHash, proof: bytes }: CertificateProof,
  size: number,
  out: string | undefined,
  speak: Speaker,
): Promise<void> {
  const text = new TextDecoder().decode(bytes);
  if (out !== undefined) {
    await replaceFile(out, bytes);
  }
  const facts = { index, size, time: rfc3339(timestamp), leafHash: toBase64(leafHash) };
  const sentence = `entry ${index} of ${size}, logged ${rfc3339(timestamp)}`;
  if (out === undefined) speak.note(sentence);
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

async function readCertificate(file: string): Promise<Uint8Array> {
  const text = await readInput(file, 'CERT');
  try {
    const block = decodePem(text).find(({ label }) => label === 'CERTIFICATE');
    if (block !== undefined) return block.bytes;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError('USAGE', `${file}: ${error.message}`);
  }
  throw new CommandError('USAGE', `${file} holds no PEM certificate`, {
    hint: 'Give cert.pem, as `mayfly certificate` or cosign wrote it.',
  });
}
