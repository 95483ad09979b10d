/** `mayfly ca`: a new issuing CA below the same root. */
import { action, type RegisterCommand } from '../program/command.ts';
import { renew } from './ca-renew.ts';
import { makeRoot } from './ca-root.ts';
import { sign } from './ca-sign.ts';
import { recorded, TRANSCRIPT_OPTION } from '../program/transcript.ts';

const EXAMPLES = `
Examples, in this order:
  mayfly ca renew --data /var/lib/mayfly --csr request.pem --passphrase-file pass.txt        on the server: a new key
  mayfly ca sign request.pem --root root.pem --root-key root.key.pem --passphrase-file root-pass.txt --out chain.pem
                                                                          where the root key is; any X.509 tool does
  mayfly ca renew --data /var/lib/mayfly --stage chain.pem --passphrase-file pass.txt        on the server: published
  hand out the new trust (mayfly trust export, TUF) and wait until verifiers have it
  mayfly ca renew --data /var/lib/mayfly --switch --passphrase-file pass.txt                 in force
  then start the service anew

The service runs on meanwhile, with the old key. The chain is checked as \`init\` checks one. What was issued before goes on verifying: nothing is
dropped from what verifiers trust. --discard gives up a successor that is not in force yet. --install stages and switches at once, and says whom that breaks. A new root (mayfly ca root) takes the same way,
with --new-root at --stage.`;

/** Adds `ca`. */
export const register: RegisterCommand = (program) => {
  const ca = program
    .command('ca')
    .summary('renew the issuing CA')
    .description('A new issuing CA below the same root, whose key stays where it is.')
    .addHelpText('after', EXAMPLES);
  ca.command('renew')
    .summary('renew the issuing CA in steps: --csr, --stage, --switch')
    .description(
      'Makes a new key and a request for it, publishes the chain that was made of it, and puts it in force.',
    )
    .requiredOption('--data <dir>', 'the data directory; the service may run on it')
    .option('--csr <file>', 'make a new key and write the certificate signing request there')
    .option(
      '--stage <chain>',
      'publish this chain, which issues nothing yet: PEM, new issuing CA first, root last',
    )
    .option('--switch', 'put the staged chain in force')
    .option('--install <chain>', 'both at once; verifiers with older files refuse what it issues')
    .option('--discard', 'give up what is staged or asked for: its time ends, its chain and key are removed')
    .option('--new-root', 'with --stage or --install: the chain may end at another root')
    .option('--passphrase-file <file>', 'file whose first line opens the keys of the directory')
    .option(
      '--key-type <type>',
      'of the new key: p256, p384, rsa3072 or rsa4096 (default: that of the old one)',
    )
    .option('--common-name <name>', 'CN to ask for (default: that of the old one with the next number)')
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(action(recorded(renew)));
  ca.command('sign')
    .argument('<CSR>', 'the certificate signing request')
    .summary('sign a request with the root key')
    .description(
      'Signs the request of `ca renew` with the root key: for three years, for code signing alone. With --timestamps that of `tsa init` or `tsa renew`.',
    )
    .requiredOption('--root <file>', "the root's certificate, PEM; of a chain the last one")
    .requiredOption('--root-key <file>', 'its key')
    .option(
      '--timestamps',
      'sign a request for a key for timestamps: for them alone, as long as the root lives',
    )
    .option('--passphrase-file <file>', 'file whose first line opens the root key')
    .requiredOption('--out <file>', 'where to write the chain; must not be there')
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print {"chain":…,"out":…}')
    .addHelpText('after', EXAMPLES)
    .action(action(recorded(sign)));
  ca.command('root')
    .summary('make a new root, to follow the one of a CA')
    .description('Makes the key and the certificate of a root, where root keys are kept: for ten years.')
    .requiredOption('--out <file>', 'where to write the certificate, PEM; must not be there')
    .requiredOption('--root-key-out <file>', 'where to write the key; must not be there')
    .option('--organization <name>', 'O of the root', 'Mayfly')
    .requiredOption('--common-name <name>', 'CN of the root: another one than that of the root before')
    .option('--key-type <type>', 'p256, p384, rsa3072 or rsa4096', 'p256')
    .option('--passphrase-file <file>', 'encrypt the key with the first line of this file')
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print {"root":…,"out":…,"rootKey":…}')
    .addHelpText('after', EXAMPLES)
    .action(action(recorded(makeRoot)));
};
