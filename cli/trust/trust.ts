/** `mayfly trust`: what verifiers and signing clients are given. */
import { action, type RegisterCommand } from '../program/command.ts';
import { exportFiles } from './trust-export.ts';

const EXAMPLES = `
Examples:
  mayfly trust export --data /var/lib/mayfly --out ./trust
  mayfly trust export --data ./.mayfly --out ./trust --json
  mayfly trust export --data /var/lib/mayfly --config /etc/mayfly.yaml --out ./trust

Reads public parts only and opens no key; works beside a running server. Files in --out are replaced, but
those of another CA only with --force. Hand the directory to verifiers over a channel that they trust: anyone who can change root.pem decides what they accept.`;

/** Adds `trust`. */
export const register: RegisterCommand = (program) => {
  const trust = program
    .command('trust')
    .summary('write what verifiers need')
    .description('What verifiers have to trust.')
    .addHelpText('after', EXAMPLES);
  trust
    .command('export')
    .summary('write root.pem, intermediate.pem, chain.pem, log.pub.pem, log.vkey, log.v3.json')
    .description('Writes the certificates and log keys of an instance as files for verifiers.')
    .requiredOption('--data <dir>', 'the data directory')
    .requiredOption('--out <dir>', 'where to write; made if it is not there')
    .option('--config <file>', "the file that `serve --config` takes; default is the directory's config.yaml")
    .option('--force', 'replace the files of another CA in --out')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(action(exportFiles));
};
