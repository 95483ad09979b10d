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
import type { LogMirrorOptions } from './log-mirror.ts';
import type { FreezeOptions } from './log-freeze.ts';
import type { RepairCommandOptions } from './log-repair.ts';
import type { AcceptOptions } from './log-accept.ts';
import type { AdoptOptions } from './log-adopt.ts';
import type { MigrateOptions } from './log-migrate.ts';
import type { MoveOptions } from './log-move.ts';
import type { RotateOptions } from './log-rotate.ts';
import type { ShardsOptions } from './log-shards.ts';
import type { LogSearchOptions } from './logs-query.ts';
import type { WatchOptions } from './log-watch.ts';
import { proof } from './log-proof.ts';
import { show } from './log-show.ts';
import { endingSoon, openTarget, type TargetOptions } from './log-target.ts';
import { trustPath } from '../verify/chosen-trust.ts';
import { WITNESS_POLICY_OPTION } from './witness-quorum.ts';
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
  mayfly log mirror https://ca.example.org/log/2026 --trust trust --directory /srv/mirror --follow    a verified copy
  mayfly log show 4711 --data /srv/rekor-mirror             an entry of a copy of a log of artifacts
  mayfly log repair --data /var/lib/mayfly                  what is damaged, and what can be derived; --write does it
  mayfly log repair --data /var/lib/mayfly --from /backup/log --write
  mayfly log freeze --data /var/lib/mayfly --confirm ca.example.org/log/2026    after the service has ended
  mayfly log rotate --data /var/lib/mayfly --stage          a new log with new keys, beside the one in use
  mayfly log rotate --data /var/lib/mayfly --switch         certificates go there from the next start on
  mayfly log rotate --data /var/lib/mayfly --discard        gives up the new log before that
  mayfly log shards --data /var/lib/mayfly                  all its logs, which follow each other
  mayfly log move --data /var/lib/mayfly                    takes the logs to where mayfly.log says: a database, a bucket
  mayfly log migrate --config config.yaml --grant mayfly    makes the tables of logs in the database of mayfly.log.store

Exit status: 0 all is right, 1 the log is wrong (or, for proof and show, does not have the certificate), 2 wrong use, 3 it cannot be
judged: not reachable, not readable, or too busy. With --json, 1 is {"ok":false,…} of check, and 3 an object "error".
`;

/** Adds the command with its subcommands. */
export const register: RegisterCommand = (program) => {
  const log = program
    .command('log')
    .summary('read and check a transparency log')
    .description('Read a transparency log and check it, in a directory or over HTTP; copy it; end it.')
    .addHelpText('after', EXAMPLES)
    // Whatever it was called, the commands look for --trust.
    .hook('preAction', (_, command) => {
      const trust = trustPath(command.opts());
      if (trust !== undefined) command.setOptionValue('trust', trust);
    });
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
  registerMove(log);
  registerDatabase(log);
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
        const isCopy = await (await import('./artifact-copy.ts')).isArtifactCopy(options);
        return isOverLogs(options, isCopy) ? searchLogs(options, speak) : search(options, speak);
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

/** `--trust`, as it is called where a bundle is verified. */
const trustByOtherName = () => new Option('--trusted-root <dir>').hideHelp();

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
    .command('mirror')
    .summary('copy a log, also one of others, and verify all of it on the way')
    .description(
      'Copies a log of static-ct-api or tlog-tiles as files, each verified against a signed head before it is kept; again, or with --follow, it is brought up to date.',
    )
    .argument('<URL>', 'of the log, or of its server')
    .requiredOption(
      '--directory <dir>',
      'where to write; made if it is not there, brought up to date if it is',
    )
    .option(
      '--key <vkey>',
      "the log's verifier key, or a file with one on each line; several times for several",
      collect,
    )
    .option('--trust <dir>', 'directory of `mayfly trust export`, in the place of --key')
    .addOption(trustByOtherName())
    .option('--log <name>', WHICH_LOG)
    .option('--access-token-file <file>', 'file with the access token of the log')
    .option('--follow', 'go on for ever, with a look each --interval seconds')
    .option('--interval <seconds>', 'between two looks, with --follow; default is 10')
    .option('--parallel <number>', 'files that are asked for at once; default is 4')
    .option('--rate <number>', 'files that are asked for in a second; default is 50')
    .option('--timeout <seconds>', 'most time for the whole run; default is any, while tiles come')
    .option(
      '--json',
      'print {"origin":…,"size":…,"root":…,"added":…,"written":…,"withheld":…,"final":…,"directory":…}; with --follow a line for each new head',
    )
    .addHelpText('after', EXAMPLES)
    // Loads what a copy is made of, which no reader needs.
    .action(
      action(
        async (options: LogMirrorOptions, speak, args) =>
          (await import('./log-mirror.ts')).mirror(options, speak, args),
        exitCodeOfLog,
      ),
    );
  log
    .command('repair')
    .summary('say what of a log is damaged, and put right what can be derived')
    .description(
      'Looks at every file of a log, and says what is damaged and what can be derived in its place. Does it with --write.',
    )
    .requiredOption(
      '--data <dir>',
      'the data directory, or that of a log; with --write, no service runs on it',
    )
    .option('--log <name>', WHICH_LOG)
    .option(
      '--from <copy>',
      'a copy of the log: a directory, an export, a mirror, or a URL; none of it is believed',
    )
    .option('--access-token-file <file>', 'file with the token that the URL of --from needs')
    .option('--write', 'put right what can be; default is to say it')
    .option('--json', 'print {"ok":…,"size":…,"damaged":[{"path":…,"remedy":…}]}')
    .addHelpText('after', EXAMPLES)
    // Loads what writes a log, which no reader needs.
    .action(
      action(
        async (options: RepairCommandOptions, speak) =>
          (await import('./log-repair.ts')).repair(options, speak),
        exitCodeOfLog,
      ),
    );
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

/** The commands for logs in a database. */
function registerDatabase(log: CommandUnknownOpts): void {
  log
    .command('migrate')
    .summary('make or renew the tables of logs in a database')
    .description(
      'Applies the migrations that the database of mayfly.log.store lacks, and that of mayfly.log.anchor, as a role that may make tables. A service checks the tables, and changes none.',
    )
    .option('--config <file>', 'the configuration that names the database')
    .option('--data <dir>', "the data directory, for the directory's own configuration")
    .option('--grant <role>', 'the role of the service, which gets the rights that it needs')
    .option('--json', 'print {"database":…,"version":…,"applied":…}')
    .addHelpText('after', EXAMPLES)
    .action(
      action(async (options: MigrateOptions, speak) =>
        (await import('./log-migrate.ts')).migrate(options, speak),
      ),
    );
  log
    .command('accept-database')
    .summary('go on with another server in the place of the one that a log was on')
    .description(
      'Where a standby was promoted, or a database was put back, a service signs nothing until this command has found that the server has all that the directory knows of its logs. Give it on every machine that writes them. The server may have another address: that of mayfly.log.store in the configuration.',
    )
    .requiredOption('--data <dir>', 'the data directory')
    .option('--config <file>', "the configuration; default is the directory's own")
    .option('--json', 'print {"logs":[{"origin":…,"store":…,"size":…}]}')
    .addHelpText('after', EXAMPLES)
    .action(
      action(async (options: AcceptOptions, speak) =>
        (await import('./log-accept.ts')).accept(options, speak),
      ),
    );
}

/** The commands for logs that are elsewhere, or are to be. */
function registerMove(log: CommandUnknownOpts): void {
  log
    .command('move')
    .summary('take all logs to where the configuration says')
    .description(
      'Copies the history and the tiles of all logs to where mayfly.log.store and mayfly.log.tiles of the configuration say, into a database and back, and has them read and written there from then on. No byte of a log changes. What interrupts it is finished by the same command.',
    )
    .requiredOption('--data <dir>', 'the data directory; no service may be running on it')
    .option('--config <file>', "the configuration; default is the directory's own")
    .option('--json', 'print {"logs":[{"origin":…,"store":…,"moved":…,"tiles":…,"copied":…,"warnings":[…]}]}')
    .addHelpText('after', EXAMPLES)
    // Loads what a configuration is read with, which no reader needs.
    .action(
      action(async (options: MoveOptions, speak) => (await import('./log-move.ts')).move(options, speak)),
    );
  log
    .command('adopt')
    .summary('take the copy of a data directory into use')
    .description(
      'A service does not start on a data directory whose files were copied to another machine, because the other copy may go on. This command says which logs were copied here, and from where; with --i-stopped-the-other it takes them into use. Each is held to its checkpoint and its tiles before.',
    )
    .requiredOption('--data <dir>', 'the data directory; no service may be running on it')
    .option(
      '--i-stopped-the-other',
      'the other copy will never be started again, and nothing was logged there after this one was made',
    )
    .option(
      '--json',
      'print {"logs":[{"origin":…,"size":…,"lastUsed":…,"otherMachine":…,"otherFile":…,"adopted":…}]}',
    )
    .addHelpText('after', EXAMPLES)
    // Loads what a data directory is made of, which no reader needs.
    .action(
      action(async (options: AdoptOptions, speak) => (await import('./log-adopt.ts')).adopt(options, speak)),
    );
}

/** The commands for logs that follow each other. */
function registerRotation(log: CommandUnknownOpts): void {
  log
    .command('shards')
    .summary('list the certificate logs of a data directory, which follow each other')
    .description(
      'Lists the certificate logs of a data directory, oldest first: those that have ended, the one in use, and the one that is to follow it.',
    )
    .requiredOption('--data <dir>', 'data directory, also beside a running service')
    .option(
      '--json',
      'print {"logs":[{"origin":…,"name":…,"state":…,"logId":…,"createdAt":…,"size":…,"frozenAt":…,"trustedUntil":…}]}',
    )
    .addHelpText('after', EXAMPLES)
    .action(
      action(async (options: ShardsOptions, speak) =>
        (await import('./log-shards.ts')).shards(options, speak),
      ),
    );
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
    .addOption(trustByOtherName())
    .option(...WITNESS_POLICY_OPTION)
    .option('--json', `print ${json}`)
    .addHelpText('after', EXAMPLES);

async function status(options: TargetOptions, speak: Speaker): Promise<undefined> {
  const log = await openTarget(endingSoon(options), speak);
  const { origin, size, root, timestamp, cosignedBy } = await headOf(log);
  const time = timestamp === undefined ? undefined : rfc3339(timestamp);
  const frozenAt = log.directory?.frozenAt;
  const lines = [
    `log    ${origin}`,
    `size   ${size}`,
    `root   ${toBase64(root)}`,
    `time   ${time ?? 'not known'}`,
    ...(frozenAt === undefined ? [] : [`ended  ${rfc3339(frozenAt)}`]),
    ...(cosignedBy === undefined ? [] : [`by     ${cosignedBy.join(', ')}`]),
  ];
  speak.answer(
    {
      origin,
      size,
      root: toBase64(root),
      time,
      frozenAt: frozenAt === undefined ? undefined : rfc3339(frozenAt),
      logId: toBase64(log.logId),
      cosignedBy,
      source: log.source.name,
      keys: log.trusted,
    },
    lines.join('\n'),
  );
  return undefined;
}
