import type { LoggedEntry } from '../../rekor/artifact-log.ts';
import { EntryError } from '../../rekor/entries/entry-error.ts';

/** Why nobody is given an entry that is redacted, nor can log it again. Says nothing of what it was. */
export const redactedEntry = ({ logIndex }: Pick<LoggedEntry, 'logIndex'>): EntryError =>
  new EntryError(
    'ENTRY_REDACTED',
    `the entry with index ${logIndex} is redacted: its body is withheld for good, and its leaf hash stays`,
    {
      hint: 'Who has the bundle still verifies with it. Nobody can log that entry again.',
      metadata: { logIndex: String(logIndex) },
    },
  );
