/** What `mayfly ca` says and writes. */
import { dirname } from 'node:path';
import { systemFault } from '../../instance/data-directory-error.ts';
import type { Switched } from '../../instance/switch-successor.ts';
import { parseCertificate } from '../../core/certificate.ts';
import { rfc3339 } from '../../core/clock.ts';
import { describeName } from '../../core/distinguished-name.ts';
import { systemCode } from '../../core/errors.ts';
import { decodePem } from '../../core/pem.ts';
import { syncDirectory, writeNew } from '../../storage/durable-file.ts';
import { CommandError } from '../program/command.ts';

/** The first certificate of a chain that was checked, for people: name and end. */
export function certificateLine(chainPem: string): string {
  const [first] = decodePem(chainPem);
  if (first === undefined) return 'nothing';
  const { subject, notAfter } = parseCertificate(first.bytes);
  return `${describeName(subject)}, until ${rfc3339(notAfter)}`;
}

/** What a switch to a staged chain did, for people. */
export function switchedLines(was: Switched['was'], chainPem: string): readonly string[] {
  const line = certificateLine(chainPem);
  if (was === 'in force')
    return [`Nothing is staged. In force already, at the latest from the next start of the service: ${line}`];
  return [
    ...(was === 'interrupted' ? ['The switch that was begun is finished.'] : []),
    `In force from the next start of the service: ${line}`,
  ];
}

/** Writes a file that must not be there. Throws {@link CommandError} `REFUSED` if it is. */
export async function writeOutput(file: string, text: string, option: string): Promise<void> {
  try {
    await writeNew(file, text, 0o644);
    await syncDirectory(dirname(file));
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw systemFault(file, 'write', error);
    throw new CommandError('REFUSED', `${file} is there already`, {
      hint: `Name a new file with ${option}.`,
      cause: error,
    });
  }
}
