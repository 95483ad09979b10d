/** `mayfly trust`: what verifiers and signing clients are given. */
import { ADMISSION_CONTROLLERS } from '../../trust/admission/admission-policy.ts';
import { action, exitCodeOfJudge, type RegisterCommand } from '../program/command.ts';
import { Option } from '../program/options.ts';
import { STORE_PASSWORD } from '../../trust/pkcs12-store.ts';
import { fetchTrust } from './fetch/trust-fetch.ts';
import { endTrust } from './trust-end.ts';
import { exportFiles } from './trust-export.ts';
import { importTrustFile } from './trust-import.ts';
import { diffTrust, showTrust } from './trust-show.ts';
import { registerTuf } from './tuf/tuf.ts';
import { recorded, TRANSCRIPT_OPTION } from '../program/transcript.ts';

const EXAMPLES = `
Examples:
  mayfly trust export --data /var/lib/mayfly --out ./trust
  mayfly trust export --data ./.mayfly --out ./trust --json
  mayfly trust export --data /var/lib/mayfly --config /etc/mayfly.yaml --out ./trust
  mayfly trust export --data /var/lib/mayfly --public-url https://ca.example.com --oidc-issuer https://login.example.com --out ./trust
  mayfly trust export --data /var/lib/mayfly --for kyverno --identity ada@example.com --issuer https://login.example.com

Reads public parts only and opens no key; works beside a running server. Files in --out are replaced; what they trust
stays trusted, and what they end stays ended, unless --force says otherwise. Hand the directory to verifiers over a channel that they trust: anyone who can
change trusted_root.json or root.pem decides what they accept. The password of trust.p12 is "${STORE_PASSWORD}".`;

const END_EXAMPLES = `
Examples:
  mayfly trust end --data /var/lib/mayfly --ca 3b7c… --at 2026-12-01T00:00:00Z --reason superseded
  mayfly trust end --data /var/lib/mayfly --log 2026 --at now --reason superseded
  mayfly trust end --data /var/lib/mayfly --ca 3b7c… --at 2026-11-22T09:00:00Z --reason compromise --in-force

Nothing is ever dropped: what was signed before that time goes on verifying. Of one that was superseded, take a time after the end of the
last certificate that it issued: verifiers of signatures ask when the signature was made. A stolen key ends wherever it is trusted: where others have
it too, they are named, and --same-key ends all of them.`;

const IMPORT_EXAMPLES = `
Examples:
  mayfly trust import --data /var/lib/mayfly trusted_root.json
  mayfly trust import --data /var/lib/mayfly --take-ends exported/trusted_root.json      after a backup was restored

What was signed by the other deployment goes on verifying, in the windows of the file. A log id that is there with another key and a
CA that is there with another window are refused by name, and then nothing is taken. docs/migration.md has the whole way.`;

const SHOW_EXAMPLES = `
Examples:
  mayfly trust show trust
  mayfly trust show /var/lib/mayfly --json
  mayfly trust show https://ca.example.com
  mayfly trust diff trust /var/lib/mayfly

What comes from a URL is shown, not trusted. Exit status of diff: 0 they trust the same, 1 they do not, 2 wrong use, 3 one of them could not be
read.`;

const FETCH_EXAMPLES = `
Examples:
  mayfly trust fetch https://ca.example.com --fingerprint 3b7c… --out trust
  mayfly trust fetch https://ca.example.com --out trust                      later, as often as you like

The fingerprint is printed by init, and by mayfly trust tuf status where the service runs. What the server sends counts only where the keys that
are trusted signed it: another root, an older state, a file too long or too late is refused, and then nothing in --out has changed. The directory has
the files of trust export, but for the names and second keys of logs (log.vkey, log.v3.json).`;

/** Adds `trust`. */
export const register: RegisterCommand = (program) => {
  const trust = program
    .command('trust')
    .summary('write what verifiers need')
    .description('What verifiers have to trust, and where clients sign.')
    .addHelpText('after', EXAMPLES);
  trust
    .command('export')
    .summary('write trusted_root.json, signing_config.v0.2.json, root.pem, log.pub.pem and others')
    .description(
      'Writes what verifiers trust and where clients sign: the files of Sigstore, certificates and log keys.',
    )
    .requiredOption('--data <dir>', 'the data directory')
    .option('--out <dir>', 'where to write; made if it is not there')
    .option('--config <file>', "the file that `serve --config` takes; default is the directory's config.yaml")
    .option(
      '--public-url <url>',
      'where clients reach the service; default is public-url of the configuration',
    )
    .option('--oidc-issuer <url>', 'where people log in; default is the first issuer of type email')
    .option('--rekor <url>', 'a log of signatures of others (Rekor), to be trusted and used besides')
    .option('--rekor-key <file>', 'its public key, PEM')
    .option('--rekor-version <n>', '1 or 2; default is 2 with an Ed25519 key, else 1')
    .addOption(
      new Option(
        '--for <controller>',
        'print instead what an admission controller trusts, and an example policy',
      ).choices(ADMISSION_CONTROLLERS),
    )
    .option('--identity <name>', 'with --for: whose signatures the policy lets in')
    .option('--issuer <url>', 'with --for: the issuer that vouches for the identity')
    .option(
      '--allow-unlogged',
      'with --for: let in images without an entry in the log of artifacts by their timestamps',
    )
    .option('--force', 'replace files in --out that trust or end what this instance does not')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(action(exportFiles));
  trust
    .command('end')
    .summary('end the time for which a CA, a log or a timestamp authority is trusted')
    .description('Ends the window of one that verifiers trust, in the data directory; export hands it out.')
    .requiredOption('--data <dir>', 'the data directory; the service may run on it')
    .option(
      '--ca <fingerprint>',
      'SHA-256 of the certificate of the issuing CA; that of a CA above ends all below it',
    )
    .option('--log <name-or-id>', 'name, or log id in base64 or hexadecimal')
    .option('--tsa <fingerprint>', 'SHA-256 of the certificate that signs timestamps')
    .requiredOption('--at <time>', 'last moment at which it is trusted: RFC 3339, or now')
    .requiredOption('--reason <reason>', 'superseded or compromise')
    .option('--in-force', 'also where it is what signs now')
    .option('--later', 'also where it ended already, and earlier')
    .option('--same-key', 'also all others that have the same key')
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print {"reason":…,"end":…,"ended":[…],"inForce":…,"stillOpen":[…]}')
    .addHelpText('after', END_EXAMPLES)
    .action(action(recorded(endTrust)));
  trust
    .command('import')
    .summary('take over what the verifiers of another deployment trust')
    .description(
      'Takes the CAs, logs and timestamp authorities of a trusted root into the data directory; export hands them out with our own.',
    )
    .argument('<FILE>', 'trusted_root.json or client trust config of the other deployment')
    .requiredOption('--data <dir>', 'the data directory; the service may run on it')
    .option('--take-ends', 'where the file ends what is open here, take its end')
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print {"taken":[…],"changed":[…],"known":…,"unusable":[…]}')
    .addHelpText('after', IMPORT_EXAMPLES)
    .action(action(recorded(importTrustFile)));
  trust
    .command('show')
    .argument('[SOURCE]', 'a file, a directory or a URL (default: ./trust)')
    .summary('print what is trusted, from when to when, and what ends next')
    .description(
      'Prints what a trusted_root.json, a directory of `trust export`, a data directory or a service trusts.',
    )
    .option('--json', 'print {"entries":[…],"tuf":[…],"nextEnd":…}')
    .addHelpText('after', SHOW_EXAMPLES)
    .action(action(showTrust, exitCodeOfJudge));
  trust
    .command('diff')
    .argument('<A>', 'a file, a directory or a URL')
    .argument('<B>', 'another one')
    .summary('print in words what changes for whom from A to B')
    .description('Prints what changes for those who verify with A when they verify with B.')
    .option('--json', 'print {"differences":[…]}')
    .addHelpText('after', SHOW_EXAMPLES)
    .action(action(diffTrust, exitCodeOfJudge));
  trust
    .command('fetch')
    .argument('<URL>', 'base URL of the service, or of a TUF repository')
    .summary('get what is trusted from a service, by one hash')
    .description(
      'Gets the files of the TUF repository of a service: the first time by the hash of its root, later by what was trusted before.',
    )
    .requiredOption('--out <dir>', 'where to write; made if it is not there')
    .option('--fingerprint <sha256>', 'of the TUF root; the first time only')
    .option('--force', 'the first time: replace files there that trust something else')
    .option('--json', 'print {"directory":…,"files":[…],"root":…,"changes":[…]}')
    .addHelpText('after', FETCH_EXAMPLES)
    .action(action(fetchTrust));
  registerTuf(trust);
};
