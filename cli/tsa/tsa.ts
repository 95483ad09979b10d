/** `mayfly tsa`: the key and the certificate for timestamps. */
import type { Command, OptionValues } from '@commander-js/extra-typings';
import { action, type RegisterCommand } from '../program/command.ts';
import { init } from './tsa-init.ts';
import { renew } from './tsa-renew.ts';
import { show } from './tsa-show.ts';
import { recorded, TRANSCRIPT_OPTION } from '../program/transcript.ts';

const EXAMPLES = `
Examples:
  mayfly tsa show --data /var/lib/mayfly
  mayfly tsa init --data ./data --root-key root.key.pem --root-passphrase-file root-pass.txt --passphrase-file pass.txt
                                                    a directory that has none, with the root key at hand

A new key, each year, with the root key elsewhere:
  mayfly tsa renew --data /var/lib/mayfly --csr tsa.csr --passphrase-file pass.txt            on the server
  mayfly ca sign tsa.csr --timestamps --root root.pem --root-key root.key.pem --passphrase-file root-pass.txt --out tsa-chain.pem
                                                                            where the root key is
  mayfly tsa renew --data /var/lib/mayfly --stage tsa-chain.pem --passphrase-file pass.txt
  mayfly trust export --data /var/lib/mayfly --out trust                    to those who verify; when they have it:
  mayfly tsa renew --data /var/lib/mayfly --switch --passphrase-file pass.txt
  then start the service anew

The service runs on meanwhile, with the old key. The old certificate stays trusted: what it signed goes on verifying.`;

/** A subcommand with the options so far; those that a function adds are inferred. */
type TimestampCommand<Options extends OptionValues> = Command<[], Options, OptionValues>;

const DATA = ['--data <dir>', 'the data directory; the service may run on it'] as const;

/** Options of `CertificationOptions` but for the chain, which stands elsewhere in each command. */
const certifying = <Options extends OptionValues>(command: TimestampCommand<Options>) =>
  command
    .option('--root-key <file>', "make the certificate at once, with the root's key")
    .option(
      '--root-passphrase-file <file>',
      'file whose first line opens that key (default: as --passphrase-file)',
    )
    .option('--root <file>', "the root's certificate, PEM (default: the last one of ca/chain.pem)")
    .option('--csr <file>', 'or make the key alone, and write the certificate signing request there')
    .option('--passphrase-file <file>', 'file whose first line opens the keys of the directory')
    .option(
      '--key-type <type>',
      'of the new key: p256 (the default), p384, rsa3072 or rsa4096; RSA keys sign slowly, and everybody may ask',
    )
    .option(
      '--common-name <name>',
      "CN of the certificate (default: the root's, or the one before with the next number)",
    )
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES);

/** Adds `tsa`. */
export const register: RegisterCommand = (program) => {
  const tsa = program
    .command('tsa')
    .summary('make and renew the key for timestamps')
    .description('The key that signs timestamps, and its certificate, which the root signs.')
    .addHelpText('after', EXAMPLES);
  certifying(
    tsa
      .command('init')
      .summary('make a key and a certificate for timestamps in a directory that has none')
      .description('Makes a key for timestamps and its certificate, with the root key or by a request.')
      .requiredOption(...DATA)
      .option(
        '--install <chain>',
        'take the chain that was made of a request (--csr): PEM, its certificate first, root last',
      ),
  ).action(action(recorded(init)));
  certifying(
    tsa
      .command('renew')
      .summary('stage a successor (--stage), and put it in force (--switch)')
      .description('Makes another key for timestamps, which is published before it signs.')
      .requiredOption(...DATA)
      .option(
        '--stage [chain]',
        'stage the chain that was made of the request, or one that --root-key makes: it is published and signs nothing',
      )
      .option('--switch', 'put the staged one in force from the next start of the service')
      .option(
        '--discard',
        'give up what is staged or asked for: its time ends, its chain and key are removed',
      ),
  ).action(action(recorded(renew)));
  tsa
    .command('show')
    .summary('show certificate, key and times, and what is staged')
    .description('Shows the certificates for timestamps: in force, staged and former. Opens no key.')
    .requiredOption(...DATA)
    .option('--json', 'print {"certificates":[…],"next":…}')
    .addHelpText('after', EXAMPLES)
    .action(action(show));
};
