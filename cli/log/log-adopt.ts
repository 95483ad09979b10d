/** `mayfly log adopt`: takes the copy of a data directory into use. */
import { adoptCopies, type CopiedLogReport } from '../../instance/adopt-copies.ts';
import { changing } from '../../instance/change-lock.ts';
import type { Speaker } from '../program/command.ts';

/** Options of the command. */
export interface AdoptOptions {
  readonly data: string;
  readonly iStoppedTheOther?: boolean;
}

/** Says which logs were copied here, and takes them into use when the operator says that the others have ended. Returns false when that is still to be said. */
export async function adopt({ data, iStoppedTheOther }: AdoptOptions, speak: Speaker): Promise<boolean> {
  const isAdopted = iStoppedTheOther === true;
  const copies = await changing(data, (directory) => adoptCopies(directory, { clock: Date.now, isAdopted }));
  const facts = copies.map(({ origin, size, lastUsed, isOtherMachine, isOtherFile }) => {
    const differs = { otherMachine: isOtherMachine, otherFile: isOtherFile };
    return { origin, size, lastUsed, ...differs, adopted: isAdopted };
  });
  const lines = copies.map((copy) => line(copy, isAdopted));
  if (copies.length === 0)
    speak.answer({ logs: facts }, 'No log of this directory is a copy: all are in use here.');
  else speak.answer({ logs: facts }, [...lines, ...(isAdopted ? [] : MEANING)].join('\n'));
  return isAdopted || copies.length === 0;
}

function line({ origin, size, lastUsed, isOtherMachine }: CopiedLogReport, isAdopted: boolean): string {
  const where = isOtherMachine ? `on another machine, ${lastUsed}` : lastUsed;
  return `${origin}: ${size} entries; in use last: ${where}${isAdopted ? '; taken into use here' : ''}`;
}

const MEANING = [
  'Nothing was changed. Where two copies of a log both go on, it contradicts itself, for good.',
  'When this is the copy that was made last, after the service had ended, and the other one will never be started again, give the command with --i-stopped-the-other.',
];
