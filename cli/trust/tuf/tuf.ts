/** `mayfly trust tuf`: the TUF repository from which clients fetch what they trust. */
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { action } from '../../program/command.ts';
import { recorded, TRANSCRIPT_OPTION } from '../../program/transcript.ts';
import { importTuf } from './tuf-import.ts';
import { initTuf } from './tuf-init.ts';
import { makeTufKey } from './tuf-key-file.ts';
import { signTuf } from './tuf-sign.ts';
import { stageTuf } from './tuf-stage.ts';
import { tufStatus } from './tuf-status.ts';

const EXAMPLES = `
Examples, of a change:
  mayfly trust tuf status --data /var/lib/mayfly                                what clients get, and until when
  mayfly trust tuf stage --data /var/lib/mayfly --out change.json               on the server: what is to be signed
  mayfly trust tuf sign change.json                                             anywhere: what it does, who has signed
  mayfly trust tuf sign change.json --key tuf-root.key.pem --passphrase-file root-pass.txt    where the key is
  mayfly trust tuf import change.json --data /var/lib/mayfly --passphrase-file pass.txt       on the server again

Once a year:
  mayfly trust tuf stage --data /var/lib/mayfly --renew --out change.json       and sign and import as above

The service runs on meanwhile, and serves a change within seconds of its import. Keys of root and targets stay where they
are; the service signs snapshot and timestamp by itself.`;

const CONFIG = "the file that `serve --config` takes; default is the directory's config.yaml";
const several = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** Adds `trust tuf`. */
export function registerTuf(trust: CommandUnknownOpts): void {
  const tuf = trust
    .command('tuf')
    .summary('let clients fetch what they trust from the service')
    .description(
      'The TUF repository of an instance: what clients fetch, signed by keys that are kept offline.',
    )
    .addHelpText('after', EXAMPLES);
  registerMaking(tuf);
  registerChanges(tuf);
}

function registerMaking(tuf: CommandUnknownOpts): void {
  tuf
    .command('init')
    .summary('make a repository in a data directory that has none')
    .description('Makes a TUF repository with what is exported now, and its two keys.')
    .requiredOption('--data <dir>', 'the data directory; the service may run on it')
    .option('--config <file>', CONFIG)
    .option('--tuf-root-key-out <file>', 'write the key of root and targets there, to be taken offline')
    .option('--keep-root-key', 'keep that key in the data directory')
    .option('--root-version <n>', 'of the first root: above all of a repository that stood here before')
    .option(
      '--passphrase-file <file>',
      'encrypt the keys with the first line of this file; the one of `serve`',
    )
    .option('--root-passphrase-file <file>', 'encrypt the key of root and targets with this one instead')
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(action(recorded(initTuf)));
  tuf
    .command('key')
    .summary('make another key for root or targets')
    .description('Makes a key that may sign root or targets once a change has added it.')
    .requiredOption('--out <file>', 'where the private key goes; the public key goes beside it')
    .option('--passphrase-file <file>', 'encrypt it with the first line of this file')
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print {"key":…,"publicKey":…,"keyId":…}')
    .addHelpText('after', EXAMPLES)
    .action(action(recorded(makeTufKey)));
  tuf
    .command('status')
    .summary('say what clients get, by whose signatures, and until when')
    .description(
      'Shows versions, ends, keys and thresholds, and what clients do not get yet. Exit status 1: not all is well.',
    )
    .requiredOption('--data <dir>', 'the data directory; the service may run on it')
    .option('--config <file>', CONFIG)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(action(tufStatus));
}

function registerChanges(tuf: CommandUnknownOpts): void {
  tuf
    .command('stage')
    .summary('write down a change, for others to sign')
    .description(
      'Writes what is exported now, and what else is asked for, as new metadata that nobody has signed.',
    )
    .requiredOption('--data <dir>', 'the data directory; the service may run on it')
    .requiredOption('--out <file>', 'where to write; must not be there')
    .option('--config <file>', CONFIG)
    .option('--renew', 'a new end for root and targets, also when nothing else changes')
    .option(
      '--add-key <file>',
      'a public key that may sign root and targets; root:FILE or targets:FILE for one',
      several,
    )
    .option('--remove-key <id>', 'one that may not any more; root:ID or targets:ID for one', several)
    .option('--threshold <n>', 'how many have to sign; root:N or targets:N for one', several)
    .option('--new-online-key', 'make another key for snapshot and timestamp')
    .option('--replace-waiting', 'with --new-online-key: another one than the key that waits already')
    .option(
      '--on <file>',
      'a signed change that is not in force here, such as that of a lost online key; again for its copies',
      several,
    )
    .option('--passphrase-file <file>', 'file whose first line opens the keys of the directory')
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print {"out":…,"changes":[…]}')
    .addHelpText('after', EXAMPLES)
    .action(action(recorded(stageTuf)));
  tuf
    .command('sign')
    .argument('<FILE>', 'what `stage` wrote')
    .summary('show a change, and sign it')
    .description('Says what a change does and who has signed. With --key signs it, in the file itself.')
    .option('--key <file>', 'a key of root or targets')
    .option('--passphrase-file <file>', 'file whose first line opens it')
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print {"changes":[…],"missing":…}')
    .addHelpText('after', EXAMPLES)
    .action(action(recorded(signTuf)));
  tuf
    .command('import')
    .argument(
      '<FILES...>',
      'the signed change, or copies of it, each signed by another; or changes that follow one another',
    )
    .summary('publish a change that was signed')
    .description('Checks signatures, thresholds and versions, and publishes all of it or nothing.')
    .requiredOption('--data <dir>', 'the data directory; the service may run on it')
    .option('--config <file>', CONFIG)
    .option('--passphrase-file <file>', 'file whose first line opens the keys of the directory')
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(action(recorded(importTuf)));
}
