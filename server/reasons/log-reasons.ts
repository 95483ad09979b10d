import type { LogReason } from '../../tlog/core/log-error.ts';
import type { ReasonRows, Wire } from './reason-row.ts';

const INSTEAD = {
  sentence: 'the transparency log takes no entries at the moment',
  hint: 'Try again later; the cause is in the log of the server.',
};

const LOG_DOWN: Wire = {
  grpc: 14,
  fulcioMessage: 'Error entering certificate in CTL',
  retryAfter: 5,
  instead: INSTEAD,
};

const AT_START = 'The service finds it when it opens the log, and then does not start.';
const STOPS =
  'Met while running, it stops the log: requests get `LOG_UNAVAILABLE`, and the service log has this one. The log does not go on by itself.';
const PAUSES =
  'Met while running, it stops the log until it could be opened again: requests get `LOG_UNAVAILABLE`, and the service log has this one.';
const WHEN_MADE = 'It comes when a log is made, by `mayfly init`.';

/** The transparency log did not take the entry; no certificate leaves. */
export const LOG_REASONS: ReasonRows<LogReason> = {
  LOG_BUSY: {
    ...LOG_DOWN,
    retryAfter: 1,
    instead: undefined,
    meaning: 'Too many entries wait for the log already.',
    cause: 'More requests than the disk can commit.',
    remedy: 'Try again in a second; the operator limits the clients or takes a faster disk.',
  },
  LOG_UNAVAILABLE: {
    ...LOG_DOWN,
    meaning:
      'The log stopped after a fault, or its keys cannot sign what it committed. A request that comes while that is known uses up no token.',
    cause: 'A full or failing disk, or a key that cannot be reached; the service log and `/readyz` name it.',
    remedy:
      'Try again later. The operator fixes the cause; the log goes on by itself: troubleshooting.md, “The log stops”.',
  },
  LOG_CLOCK: {
    ...LOG_DOWN,
    meaning:
      'The clock is behind the last head of the log, or jumped and is not trusted yet. Nothing was logged. A request that comes while that is known uses up no token.',
    cause: 'The clock was set, or was wrong for a while.',
    remedy:
      'The operator sets the clock right; the log goes on by itself: troubleshooting.md, “Clock problems”.',
  },
  LOG_CLOSED: {
    ...LOG_DOWN,
    meaning: 'The log is closed.',
    cause: 'The service is shutting down.',
    remedy: 'Try again when it is up.',
  },
  LOG_FROZEN: {
    ...LOG_DOWN,
    retryAfter: 3600,
    instead: undefined,
    meaning:
      'The operator has ended the log. It can still be read. Of the certificate log: this service issues no certificates any more. Of a log of artifacts, which answers as Rekor does: nothing is logged there any more.',
    cause: 'Another service, or another log, has taken its place.',
    remedy: 'Ask the operator for the address of the new one.',
  },
  LOG_HEAD_MOVED: {
    ...LOG_DOWN,
    meaning: 'The stored head is not the one that this service left: somebody else wrote.',
    cause: 'Two services on one directory, or a file that was put back.',
    remedy: 'The operator stops all of them and runs `mayfly log check`.',
    neverAnswered: STOPS,
  },
  LOG_STALE: {
    ...LOG_DOWN,
    meaning: 'The commit store showed another head when it was opened than its files had shown.',
    cause: 'A commit that failed or was killed, while another program has `commit.db` open.',
    remedy:
      'It is loaded and judged again by itself. If it stays, end what has `commit.db` open (`fuser` names it).',
    neverAnswered: PAUSES,
  },
  LOG_CORRUPT: {
    ...LOG_DOWN,
    meaning: 'What is stored contradicts itself.',
    cause: 'A damaged file, or files of two histories.',
    remedy:
      'The message names the file and says what to do with it: troubleshooting.md, “A start that is refused”.',
    neverAnswered: STOPS,
  },
  LOG_STORAGE: {
    ...LOG_DOWN,
    meaning: 'The storage under the log failed.',
    cause: 'A full disk, a disk that fails, or rights that changed.',
    remedy: 'The operator finds the file, and what could not be done with it, in the service log.',
    neverAnswered: PAUSES,
  },
  LOG_LOCKED: {
    ...LOG_DOWN,
    meaning: 'Another process writes to the log, or reads `commit.db` and does not finish.',
    cause: 'A second service on the same directory; a backup program or a `sqlite3` shell.',
    remedy: 'Stop the other one.',
    neverAnswered: AT_START,
  },
  LOG_ROLLED_BACK: {
    ...LOG_DOWN,
    meaning: 'The log was larger before, or was another.',
    cause: 'An old `commit.db` was put back; or a witness has cosigned what the log does not have.',
    remedy:
      'See troubleshooting.md, “A start that is refused”, and keys-and-backups.md, “Why an old commit store must not be restored”.',
    neverAnswered: AT_START,
  },
  LOG_COPIED: {
    ...LOG_DOWN,
    meaning: 'The files of the log were copied, and the other copy may go on.',
    cause: 'A data directory that was copied to another machine, or beside one that is in use.',
    remedy:
      'Start the newest copy alone; where that is this one, take it into use with `mayfly log adopt`: keys-and-backups.md, “Moving to another machine”.',
    neverAnswered: AT_START,
  },
  LOG_UNSUITABLE_STORAGE: {
    ...LOG_DOWN,
    meaning: 'The file system, or the bucket, cannot promise what the log promises.',
    cause:
      'A network or shared file system; a bucket that takes several writers for the first one, or that knows no conditions.',
    remedy:
      'Move the directory to a local disk; use another store for the bucket; require no quorum of witnesses for a log that several processes write.',
    neverAnswered: AT_START,
  },
  LOG_ELSEWHERE: {
    ...LOG_DOWN,
    meaning: 'The stores of a log are not where the configuration says.',
    cause: 'The setting `mayfly.log` was changed, or a data directory was put beside another configuration.',
    remedy: 'Set mayfly.log to where they are, or move them with `mayfly log move`: scaling.md.',
    neverAnswered: AT_START,
  },
  LOG_MISSING: {
    ...LOG_DOWN,
    meaning: 'There is no log in the directory.',
    cause: 'A wrong path, or a directory that was not copied whole.',
    remedy: 'Check the path.',
    neverAnswered: AT_START,
  },
  LOG_WRONG_KEY: {
    ...LOG_DOWN,
    meaning: 'The keys are not those of this log.',
    cause: 'Key files of another log.',
    remedy: 'Put the right key files back.',
    neverAnswered: AT_START,
  },
  LOG_EXISTS: {
    ...LOG_DOWN,
    meaning: 'There is a log in the directory already.',
    cause: '`init` was run twice.',
    remedy: 'Choose another directory.',
    neverAnswered: WHEN_MADE,
  },
  LOG_BAD_ORIGIN: {
    ...LOG_DOWN,
    meaning: 'No log can have this origin.',
    cause: 'A scheme, a space or a capital letter in `--origin`.',
    remedy: 'Give host name and path in lower case.',
    neverAnswered: WHEN_MADE,
  },
  LOG_ENTRY_REFUSED: {
    ...LOG_DOWN,
    grpc: 13,
    retryAfter: undefined,
    meaning: 'This entry can never be logged; others can.',
    cause: 'A precertificate too large for the format of the log.',
    remedy: 'Report it: the limits on certificates should have refused the request before.',
    neverAnswered: 'Certificates are held to 32 KiB before (`IDENTITY_TOO_LARGE`), the log takes 16 MiB.',
  },
  LOG_CLAIM_TAKEN: {
    ...LOG_DOWN,
    meaning:
      'What the entry was to use up was used up before, at this service or at another one on the same database.',
    cause: 'A token that was used before, or an entry that another service has just logged.',
    remedy: 'None is needed.',
    neverAnswered: 'It is answered as `TOKEN_REPLAYED`, or with the entry that is there.',
  },
};
