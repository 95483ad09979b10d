/** `mayfly rekor`: logs of artifacts: those of a data directory, and who signed what. */
import { action, type RegisterCommand } from '../program/command.ts';
import { recorded, TRANSCRIPT_OPTION } from '../program/transcript.ts';
import { check } from './rekor-check.ts';
import { freeze } from './rekor-freeze.ts';
import { init } from './rekor-init.ts';
import { redact } from './rekor-redact.ts';
import { repair } from './rekor-repair.ts';
import { rotate } from './rekor-rotate.ts';
import { search } from './rekor-search.ts';
import { show } from './rekor-show.ts';

const EXAMPLES = `
Examples:
  mayfly rekor init --data /var/lib/mayfly --passphrase-file pass.txt    a directory that has none; then start the service anew
  mayfly rekor show --data /var/lib/mayfly
  mayfly rekor check --data /var/lib/mayfly
  mayfly rekor search --data /var/lib/mayfly --identity-prefix https://github.com/acme/
  mayfly rekor search --url https://ca.example.org --digest sha256:HEX --json
  mayfly rekor rotate --data /var/lib/mayfly --v1 --stage --passphrase-file pass.txt     the one that is to follow; verifiers get its key
  mayfly rekor rotate --data /var/lib/mayfly --v1 --switch --passphrase-file pass.txt    later, with the service stopped
  mayfly rekor freeze --data /var/lib/mayfly --v2 --confirm ca.example.org --passphrase-file pass.txt
  mayfly rekor redact --data /var/lib/mayfly --v1 --index 4711 --reason "a token was in the payload"    shows; with --confirm, it does

A log is named after the host of mayfly.public-url for good. Verifiers are to trust it before clients use it: init says what to publish.`;

const PASSPHRASE = [
  '--passphrase-file <file>',
  'file whose first line opens the keys of the directory',
] as const;

/** Adds `rekor`. */
export const register: RegisterCommand = (program) => {
  const rekor = program
    .command('rekor')
    .summary('make, show, check, search, redact, follow and end the logs of artifacts')
    .description('The logs in which clients of Rekor log signatures, one for each version of its API.')
    .addHelpText('after', EXAMPLES);
  rekor
    .command('init')
    .summary('make the logs that a directory has not')
    .description('Makes the logs of artifacts that a data directory has not, each with a key of its own.')
    .requiredOption('--data <dir>', 'the data directory; the service may run on it')
    .option('--v1', 'the one for clients of Rekor v1 alone')
    .option('--v2', 'the one for clients of Rekor v2 alone')
    .option(
      '--host <host>',
      "the name for good: the host of the URL that clients are given (default: that of mayfly.public-url, else of the log's origin)",
    )
    .option(...PASSPHRASE)
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print {"logs":[…]}')
    .addHelpText('after', EXAMPLES)
    .action(action(recorded(init)));
  rekor
    .command('show')
    .summary('show the logs, their names and sizes')
    .description('Shows the logs of artifacts of a data directory. Opens no key.')
    .requiredOption('--data <dir>', 'the data directory; the service may run on it')
    .option('--json', 'print {"logs":[…]}')
    .addHelpText('after', EXAMPLES)
    .action(action(show));
  rekor
    .command('search')
    .summary('say who signed what')
    .description('Finds entries by who signed, or by what was signed. Several conditions are all to be met.')
    .option('--data <dir>', 'the data directory; the service may run on it')
    .option('--url <url>', 'or the public URL of a service, for its log of Rekor v1')
    .option('--access-token-file <file>', 'file with the token that reading the log needs')
    .option('--v1', 'the log for clients of Rekor v1 alone')
    .option('--v2', 'the log for clients of Rekor v2 alone')
    .option('--identity <name>', 'a whole name in the certificate: e-mail address, URI, host, address')
    .option('--identity-prefix <text>', 'how such a name begins')
    .option('--issuer <url>', 'whom the identity comes from')
    .option('--digest <digest>', 'of an artifact, a payload or a subject: sha256:HEX, sha384:, sha512:')
    .option('--serial <hex>', "the certificate's number")
    .option('--certificate <file>', 'the certificate itself, PEM')
    .option('--any', 'one of the conditions is enough')
    .option('--before <index>', 'only entries with a lower index')
    .option('--limit <count>', 'entries at most (default: 100)')
    .option('--timeout <seconds>', 'with --url: most time for the whole command (default: 120)')
    .option('--json', 'print an object a line: {"api":…,"logIndex":…,"kind":…,"digests":…,"signers":…}')
    .addHelpText('after', EXAMPLES)
    .action(action(search));
  rekor
    .command('check')
    .summary('check every byte of the logs against their heads')
    .description('Reads the logs of artifacts whole, and checks entries, tiles and signatures. Opens no key.')
    .requiredOption('--data <dir>', 'the data directory; the service may run on it')
    .option('--v1', 'the one for clients of Rekor v1 alone')
    .option('--v2', 'the one for clients of Rekor v2 alone')
    .option('--json', 'print {"ok":…,"logs":[…]}')
    .addHelpText('after', EXAMPLES)
    .action(action(check));
  rekor
    .command('repair')
    .summary('say what of the logs is damaged, and put right what can be derived')
    .description(
      'Looks at every file of the logs of artifacts, and says what is damaged and what can be derived in its place. Does it with --write. No redacted body comes back.',
    )
    .requiredOption('--data <dir>', 'the data directory; with --write, no service runs on it')
    .option('--v1', 'the log for clients of Rekor v1 alone')
    .option('--v2', 'the log for clients of Rekor v2 alone')
    .option(
      '--from <dir>',
      'a copy: of the data directory, or of the directory of the log; none of it is believed',
    )
    .option('--write', 'put right what can be; default is to say it')
    .option('--json', 'print {"ok":…,"logs":[{"name":…,"damaged":[…]}]}')
    .addHelpText('after', EXAMPLES)
    .action(action(repair));
  rekor
    .command('rotate')
    .summary('put a new log in the place of the one in use')
    .description(
      'Stages the log that is to follow; or ends the one in use and begins that one; or discards what is staged. The one before stays there to be read, and trusted.',
    )
    .requiredOption('--data <dir>', 'the data directory')
    .option('--v1', 'the log for clients of Rekor v1')
    .option('--v2', 'the log for clients of Rekor v2')
    .option('--stage', 'make the key of the new log; the service may run')
    .option('--switch', 'end the log in use and begin the staged one; no service runs on the directory')
    .option('--discard', 'discard the staged log, with its key')
    .option(
      '--host <host>',
      'with --stage: the name for good, where the service is going to be at another host (default: that of mayfly.public-url)',
    )
    .option(...PASSPHRASE)
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(action(recorded(rotate)));
  rekor
    .command('freeze')
    .summary('end a log for good: it is read, and takes nothing')
    .description('Ends a log of artifacts for good. What it holds stays there to be read, and trusted.')
    .requiredOption('--data <dir>', 'the data directory; no service runs on it')
    .requiredOption('--confirm <origin>', 'the origin of the log, as `mayfly rekor show` has it')
    .option('--v1', 'the one for clients of Rekor v1')
    .option('--v2', 'the one for clients of Rekor v2')
    .option(...PASSPHRASE)
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(action(recorded(freeze)));
  rekor
    .command('redact')
    .summary('withhold the bodies of entries for good')
    .description(
      'Takes the bodies of entries off the disk for good; their hashes and all proofs stay. Shows what would go, and does it with --confirm.',
    )
    .requiredOption('--data <dir>', 'the data directory; with --confirm, no service runs on it')
    .requiredOption('--index <index...>', 'of the entries, as clients count')
    .requiredOption('--reason <text>', 'why, for the record: kept in the directory and in the audit')
    .option('--v1', 'entries of the log for clients of Rekor v1')
    .option('--v2', 'entries of the log for clients of Rekor v2')
    .option(
      '--log <name>',
      'which log for v2, where several follow each other: v2, v2-2 (default: the one in use)',
    )
    .option('--confirm <code>', 'what the command prints without it')
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print {"redacted":…,"entries":[…],"confirm":…}')
    .addHelpText('after', EXAMPLES)
    .action(action(recorded(redact)));
};
