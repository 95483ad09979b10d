/** Why a repository is not followed, in the words of the person who asked for it. */
import { rfc3339 } from '../../../core/clock.ts';
import { messageOf } from '../../../core/errors.ts';
import { printable } from '../../../core/printable.ts';
import { CommandError } from '../../program/command.ts';

const ENDED = 'its metadata has ended: the service does not sign any more, or this is an old copy';

/** Sentences of tuf-js and its models: whole ones, as a file name in them may hold any word. What goes wrong with snapshot and targets is wrapped, so that its class is lost. */
const CAUSES: readonly (readonly [sentence: RegExp, cause: string])[] = [
  [/\b(?:Final )?(?:root|timestamp|snapshot|targets)(?:\.json)? is expired\b/, ENDED],
  [
    / is (?:less than|equal to) current version /,
    'it shows a state that is older than the one that was seen before',
  ],
  [/\bExpected version \d+, got \d+/, 'its roots do not follow one another'],
  [
    / does not match snapshot version |Snapshot version doesn't match timestamp/,
    'its parts do not belong together: it was copied while it changed',
  ],
  [/\bMax length reached\b/, 'a file is longer than its metadata says'],
  [/\bExpected length \d+ but got \d+/, 'a file is longer or shorter than its metadata says'],
  [/\bExpected hash \S+ but got /, 'a file is not the one that its metadata names'],
  [
    / was signed by \d+\/\d+ keys|failed to verify \S+ signature|no signature for key found/,
    'it is not signed by the keys that are trusted',
  ],
];

/** The refusal of what is served at `mirror`. */
export function refusal(error: unknown, mirror: string): CommandError {
  if (error instanceof CommandError) return error;
  const message = messageOf(error);
  const cause =
    CAUSES.find(([sentence]) => sentence.test(message))?.[1] ?? 'it is not a repository that can be followed';
  return new CommandError(
    'REFUSED',
    `the repository at ${mirror} is refused: ${cause} (${printable(message.slice(0, 300))})`,
    {
      hint: `Nothing was changed. ${cause === ENDED ? `The clock of this machine says ${rfc3339(Date.now())}: set it where it is wrong. ` : ''}Ask the operator, over a channel that you trust.`,
      cause: error,
    },
  );
}
