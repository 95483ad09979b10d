/** `mayfly log`: what a log holds, a proof for a certificate, and the full check. */
import { toBase64 } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import type { Command, CommandUnknownOpts, OptionValues } from '@commander-js/extra-typings';
import { action, exitCodeOfJudge, type RegisterCommand, type Speaker } from '../program/command.ts';
import { Option } from '../program/options.ts';
import { isLogVerdict } from './log-verdict.ts';
import type { FilterOptions, RangeOptions } from './entry-options.ts';
import { list, search } from './log-entries.ts';
import { headOf } from './log-head.ts';
import { check } from './log-check.ts';
import { exportFiles, type LogExportOptions } from './log-export.ts';
import type { FreezeOptions } from './log-freeze.ts';
import type { RotateOptions } from './log-rotate.ts';
import type { LogSearchOptions } from './logs-query.ts';
import type { WatchOptions } from './log-watch.ts';
import { proof } from './log-proof.ts';
import { show } from './log-show.ts';
import { endingSoon, openTarget, type TargetOptions } from './log-target.ts';
import { recorded, TRANSCRIPT_OPTION } from '../program/transcript.ts';

const EXAMPLES = `
Examples:
  mayfly log status --data ./.mayfly                        size, head and time of the log in a directory
  mayfly log status --url http://127.0.0.1:5555/log/2026    the same of a server
  mayfly log list --data ./.mayfly --since 1h               who got certificates in the last hour
  mayfly log search --data ./.mayfly --identity-prefix https://github.com/acme/app/ --since 2026-11-22T09:00:00Z
  mayfly log search --url URL --trust trust --extension source-repository-digest=COMMIT --json
  mayfly log search --data ./.mayfly --digest $(sha256sum FILE | cut -d' ' -f1)    who signed a file
  mayfly log search --data ./.mayfly --unused               certificates that were never used
  mayfly log watch --url https://ca.example.org --trust trust --identity you@example.org --state watch.json --once
  mayfly log watch --data /var/lib/mayfly --unlogged --state watch.json --webhook https://alerts.example.org/mayfly
  mayfly log show 4711 --data ./.mayfly                     all that entry 4711 says
  mayfly log show --certificate cert.pem --data ./.mayfly   the entry of a certificate
  mayfly log proof cert.pem --data ./.mayfly                a proof that the certificate is logged, on stdout
  mayfly log proof cert.pem --url URL --trust trust --out cert.tlog-proof
  mayfly log proof a.txt.sigstore.json --url https://ca.example.org --trust trust    that its log of artifacts has the entry
  mayfly log check --data ./.mayfly                         every byte against the head; also beside a running server
  mayfly log check --url https://ca.example.org/log/2026 --trust trust
  mayfly log check --url https://ca.example.org --trust trust --access-token-file log-token
  mayfly log export --data /var/lib/mayfly --out /srv/log   files for any web server; again, to bring them up to date
  mayfly log freeze --data /var/lib/mayfly --confirm ca.example.org/log/2026    after the service has ended
  mayfly log rotate --data /var/lib/mayfly --stage          a new log with new keys, beside the one in use
  mayfly log rotate --data /var/lib/mayfly --switch         certificates go there from the next start on
  mayfly log rotate --data /var/lib/mayfly --discard        gives up the new log before that

Exit status: 0 all is right, 1 the log is wrong (or, for proof and show, does not have the certificate), 2 wrong use, 3 it cannot be
judged: not reachable, not readable, or too busy. With --json, 1 is {"ok":false,…} of check, and 3 an object "error".
`;

/** Adds the command with its subcommands. */
export const register: RegisterCommand = (program) => {
  const log = program
    .command('log')
    .summary('read and check a transparency log')
    .description('Read a transparency log and check it, in a directory or over HTTP; copy it; end it.')
    .addHelpText('after', EXAMPLES);
  withDeadline(
    log.command('status'),
    'say how large the log is, and of when',
    '{"origin":…,"size":…,"root":…,"time":…,"logId":…}',
  ).action(action(status, exitCodeOfLog));
  withDeadline(
    log.command('proof'),
    'write an inclusion proof (c2sp.org/tlog-proof) for a certificate, or for an entry of a log of artifacts',
    '{"index":…,"proof":…}',
  )
    .argument(
      '[FILE]',
      'the certificate, PEM or DER; of a chain the first one. Or a bundle, for its entry of a log of artifacts ("-" reads stdin)',
    )
    .option(
      '--entry <index>',
      'in place of a file: an entry of a log of artifacts, by index, leaf hash or UUID',
    )
    .option('--v1', 'the log of artifacts for clients of Rekor v1')
    .option('--v2', 'the log of artifacts for clients of Rekor v2')
    .option('--certificate', 'of a bundle: prove its certificate, in the log of certificates')
    .option('--head <file>', 'a checkpoint that was kept: prove a certificate under it, not under the newest')
    .option('--out <file>', 'write the proof there; default is stdout')
    .action(action(proof, exitCodeOfLog));
  target(
    log.command('check'),
    'check the whole tree against its head; names the first wrong byte',
    '{"ok":…,"size":…} or {"ok":false,"where":…}',
  )
    .option('--timeout <seconds>', 'most time for the whole check; default is any, while tiles come')
    .action(action(check, exitCodeOfLog));
  registerEntryReaders(log);
  registerWriters(log, program.version() ?? 'unknown');
  registerRotation(log);
};

/** The commands that say whom certificates were issued to. */
function registerEntryReaders(log: CommandUnknownOpts): void {
  range(
    target(log.command('list'), 'list the newest entries, or those of a time', ENTRY_JSON),
    '100, or all of a span',
  ).action(action(list, exitCodeOfLog));
  artifactFilters(
    range(
      filters(
        target(
          log.command('search'),
          'list the entries of a name, issuer, serial, extension or digest: who got certificates, and who signed what',
          ENTRY_JSON,
        ),
      ),
      'all',
    ),
  )
    .option('--identity-regexp <expression>', 'an expression (RE2) that covers the whole name')
    .option(
      '--join',
      'say of each certificate what was signed with its key, and of each signature where its certificate is',
    )
    .option('--unused', 'certificates that have ended, with whose key nothing was signed that can be read')
    .option('--used-more-than <number>', 'certificates with whose key more artifacts were signed')
    .option(
      '--by-index',
      'ask the index of the service at --url, and prove what it finds; default is to read the logs',
    )
    // Reads logs of every kind, which no other reader needs.
    .action(
      action(async (options: TargetOptions & RangeOptions & FilterOptions & LogSearchOptions, speak) => {
        const { isOverLogs, searchLogs } = await import('./log-search.ts');
        return isOverLogs(options) ? searchLogs(options, speak) : search(options, speak);
      }, exitCodeOfLog),
    );
  registerWatch(log);
  withDeadline(
    log.command('show'),
    'show all that one entry says',
    '{"index":…,"identity":…,"issuer":…,"serial":…,"extensions":{…},"precertificate":…}',
  )
    .argument('[INDEX]', 'place of the entry in the log, from 0')
    .option('--certificate <file>', 'the entry of this certificate, PEM or DER; - for stdin')
    .option('--certificate-sha256 <hex>', 'the entry of the certificate with this SHA-256, by --audit')
    .option(
      '--audit <file>',
      'file with lines of the audit, - for stdin; may be given several times',
      collect,
    )
    .option('--pem', 'print the precertificate, PEM')
    .action(action(show, exitCodeOfLog));
}

function registerWatch(log: CommandUnknownOpts): void {
  artifactFilters(
    filters(
      target(
        log.command('watch'),
        'follow the logs of certificates and artifacts, and report what is looked for',
        'a line {"event":"entry",…}, {"event":"unlogged",…}, {"event":"redacted",…} or {"event":"contradiction",…} for each event',
      ),
    ),
  )
    .option(
      '--unlogged',
      'report signatures by certificates that are not in the certificate log of their SCT',
    )
    .option('--state <file>', 'how far each log was read: there the next run goes on')
    .option('--heads <dir>', 'with --url: keep every signed head there, a file each; never replaced')
    .option(
      '--from-start',
      'begin at entry 0 of a log that --state does not have; default is its head of now',
    )
    .option('--once', 'read on to the newest heads and end, as for cron')
    .option('--interval <seconds>', 'between two looks; default is 60')
    .option('--webhook <url>', 'post events there, https or this machine, before the resume point moves on')
    .option('--webhook-token-file <file>', 'file with the token that the webhook is sent as a bearer')
    // Reads logs of every kind, which no other reader needs.
    .action(
      action(
        async (options: WatchOptions, speak) => (await import('./log-watch.ts')).watch(options, speak),
        exitCodeOfLog,
      ),
    );
}

/** A subcommand with the options so far; those that a function adds are inferred. */
type LogCommand<Options extends OptionValues> = Command<[], Options, OptionValues>;

const ENTRY_JSON =
  'a line {"index":…,"time":…,"identity":…,"issuer":…,"serial":…,"extensions":{…}} for each entry';

const collect = (value: string, values: readonly string[] = []): string[] => [...values, value];

/** Options of {@link RangeOptions}. */
const range = <Options extends OptionValues>(command: LogCommand<Options>, all: string) =>
  command
    .option('--since <time>', 'logged then or later: 2026-11-22T10:00:00Z, or 90s, 15m, 1h, 7d ago')
    .option('--until <time>', 'logged then or earlier')
    .option('--from <index>', 'from this entry on')
    .option('--before <index>', 'before this entry')
    .option('--oldest-first', 'default is newest first')
    .option('--limit <number>', `most entries; default is ${all}`)
    .option('--timeout <seconds>', 'most time for the whole command; default is any, while tiles come');

/** What is asked of an entry of any log: options of {@link FilterOptions}. */
const filters = <Options extends OptionValues>(command: LogCommand<Options>) =>
  command
    .option('--identity <text>', 'a name in the certificate; case does not count')
    .option('--identity-prefix <text>', 'what a name begins with; case does not count')
    .option('--issuer <url>', 'the OpenID issuer; case does not count')
    .option('--serial <hex>', 'the serial number, with colons or without')
    .option(
      '--extension <name=value>',
      "value of one of Fulcio's extensions, by name or number (1.21=URL); may be given several times",
      collect,
    );

/** Options of a search over several logs. */
const artifactFilters = <Options extends OptionValues>(command: LogCommand<Options>) =>
  command
    .option(
      '--in <log>',
      'in that log alone: certificates, artifacts, v1 or v2; may be given several times',
      collect,
    )
    .option('--digest <hex>', 'what was signed, by SHA-256; or sha384:HEX, sha512:HEX')
    .option('--certificate <file>', 'the certificate that signed, PEM')
    .option('--certificate-sha256 <hex>', 'SHA-256 of the certificate that signed, or of a precertificate')
    .option('--key-sha256 <hex>', 'SHA-256 of the public key, DER')
    .option('--any', 'one of these is enough; default is all');

const WHICH_LOG = 'which log, when there are several; default is the one in use';

/** `--name`, as `--log` was called before: scripts may have it. */
const formerName = () => new Option('--name <name>').hideHelp();

/** The commands that write. */
function registerWriters(log: CommandUnknownOpts, version: string): void {
  log
    .command('export')
    .summary('write the log as files that any web server can serve')
    .description('Writes the log at its newest checkpoint as files that any web server can serve.')
    .requiredOption('--data <dir>', 'data directory, also beside a running server')
    .requiredOption('--out <dir>', 'where to write; made if it is not there, brought up to date if it is')
    .option('--log <name>', WHICH_LOG)
    .addOption(formerName())
    .option('--public-url <url>', 'where the files will be served; default is https:// and the origin')
    .option('--json', 'print {"origin":…,"size":…,"root":…,"final":…,"out":…,"written":…,"present":…}')
    .addHelpText('after', EXAMPLES)
    .action(action((options: LogExportOptions, speak) => exportFiles(options, speak, version)));
  log
    .command('freeze')
    .summary('end the log: it takes no entries any more, for good')
    .description(
      'Ends the log of a stopped service: its last head is signed, and no entry follows, for good.',
    )
    .requiredOption('--data <dir>', 'the data directory; no service may be running on it')
    .requiredOption('--confirm <origin>', 'the origin of the log, so that no other one is ended')
    .option('--log <name>', WHICH_LOG)
    .option('--passphrase-file <file>', 'file whose first line opens the keys')
    .option('--json', 'print {"origin":…,"size":…,"root":…,"frozenAt":…}')
    .addHelpText('after', EXAMPLES)
    // Loads what a service is made of, which no reader needs.
    .action(
      action(async (options: FreezeOptions, speak) =>
        (await import('./log-freeze.ts')).freeze(options, speak),
      ),
    );
}

/** The command that replaces one log by another. */
function registerRotation(log: CommandUnknownOpts): void {
  log
    .command('rotate')
    .summary('make the log that is to follow (--stage), and put it in use (--switch)')
    .description(
      'Puts a new log with new keys in the place of the one in use, in two steps; the old one ends, and is served for reading.',
    )
    .requiredOption('--data <dir>', 'data directory; the service may run on it')
    .option('--stage', 'make the new log, beside the one in use; nothing goes there yet')
    .option('--origin <origin>', 'its name, with --stage; default: HOST/log/ of the one in use, and the year')
    .option('--switch', 'put it in use from the next start of the service on, and end the one before')
    .option('--discard', 'give up the staged log: its time ends, its keys and its empty tree are removed')
    .option('--passphrase-file <file>', 'file whose first line opens the keys')
    .option(...TRANSCRIPT_OPTION)
    .option(
      '--json',
      'print {"staged":…,"isNew":…,"current":…}, {"current":…,"isNew":…,"former":[…]} or {"ended":[…],"removed":[…]}',
    )
    .addHelpText('after', EXAMPLES)
    // Loads what a service is made of, which no reader needs.
    .action(
      action(
        recorded(async (options: RotateOptions, speak) =>
          (await import('./log-rotate.ts')).rotate(options, speak),
        ),
      ),
    );
}

/** A log that cannot be reached is not a wrong one. */
const exitCodeOfLog = (error: unknown): number => exitCodeOfJudge(error, isLogVerdict);

/** A subcommand that asks little of a server, and ends soon. */
const withDeadline = <Options extends OptionValues>(
  command: LogCommand<Options>,
  summary: string,
  json: string,
) =>
  target(command, summary, json).option(
    '--timeout <seconds>',
    'most time for the whole command; with --url 120, unless it is given',
  );

/** The options that every subcommand has. */
const target = <Options extends OptionValues>(command: LogCommand<Options>, summary: string, json: string) =>
  command
    .summary(summary)
    .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
    .option('--data <dir>', 'data directory, also beside a running server; or an exported log')
    .option('--url <url>', 'URL of the log, or of its server')
    .option('--log <name>', WHICH_LOG)
    .addOption(formerName())
    .option('--access-token-file <file>', 'file with the access token of the log at --url')
    .option(
      '--trust <dir>',
      'directory of `mayfly trust export`; its log.vkey is trusted, not what the log says',
    )
    .option('--json', `print ${json}`)
    .addHelpText('after', EXAMPLES);

async function status(options: TargetOptions, speak: Speaker): Promise<undefined> {
  const log = await openTarget(endingSoon(options), speak);
  const { origin, size, root, timestamp } = await headOf(log);
  const time = timestamp === undefined ? undefined : rfc3339(timestamp);
  const frozenAt = log.directory?.frozenAt;
  const lines = [
    `log    ${origin}`,
    `size   ${size}`,
    `root   ${toBase64(root)}`,
    `time   ${time ?? 'not known'}`,
    ...(frozenAt === undefined ? [] : [`ended  ${rfc3339(frozenAt)}`]),
  ];
  speak.answer(
    {
      origin,
      size,
      root: toBase64(root),
      time,
      frozenAt: frozenAt === undefined ? undefined : rfc3339(frozenAt),
      logId: toBase64(log.logId),
      source: log.source.name,
      keys: log.trusted,
    },
    lines.join('\n'),
  );
  return undefined;
}
