/** `mayfly witness`: cosigns the heads of logs of others. */
import { encodeVkey } from '../../tlog/format/vkey.ts';
import { parseListenAddress } from '../../server/http/listen-address.ts';
import { runService } from '../../service/lifetime.ts';
import { createWitness, openWitness } from '../../witness/witness-directory.ts';
import { serveWitness } from '../../witness/witness-listener.ts';
import { FormatError } from '../../core/errors.ts';
import { action, CommandError, notify, type RegisterCommand, type Speaker } from '../program/command.ts';
import { readSecret } from '../program/input-file.ts';

interface InitOptions {
  readonly directory: string;
  readonly name: string;
  readonly passphraseFile?: string;
}

interface ServeOptions {
  readonly directory: string;
  readonly listen: string;
  readonly passphraseFile?: string;
}

const EXAMPLES = `
Examples:
  mayfly witness init --directory /var/lib/witness --name witness.example.org/w1
  echo "log $(cat log.vkey)" >> /var/lib/witness/logs     the log's key of Ed25519, for each log
  mayfly witness serve --directory /var/lib/witness --listen 127.0.0.1:7380

A log sends each head to POST /add-checkpoint, with the proof that it continues the one before; what it gets back says when the
witness saw it (c2sp.org/tlog-witness). Put a proxy that speaks TLS in front. SIGTERM ends it.`;

/** Adds `witness`. */
export const register: RegisterCommand = (program) => {
  const witness = program
    .command('witness')
    .summary('cosign the heads of logs of others')
    .description(
      'A witness: it cosigns the heads of the logs that it knows, and never two that contradict each other.',
    )
    .addHelpText('after', EXAMPLES);
  witness
    .command('init')
    .summary('make the key of a witness')
    .description('Makes a directory with the key of a witness, and prints its verifier key.')
    .requiredOption('--directory <dir>', 'where its key is, and what it remembers; made if it is not there')
    .requiredOption('--name <name>', 'what it is called in its cosignatures, such as witness.example.org/w1')
    .option('--passphrase-file <file>', 'file whose first line encrypts the key')
    .option('--json', 'print {"vkey":…,"directory":…}')
    .addHelpText('after', EXAMPLES)
    .action(action(init));
  witness
    .command('serve')
    .summary('cosign')
    .description('Answers the logs that the file "logs" in its directory names, until it is asked to stop.')
    .requiredOption('--directory <dir>', 'what `mayfly witness init` made')
    .option('--listen <address>', 'where logs reach it; port 0 picks a free one', '127.0.0.1:7380')
    .option('--passphrase-file <file>', 'file whose first line opens the key')
    .option('--json', 'first line on stdout is {"event":"ready",…}; lines about requests are JSON anyway')
    .addHelpText('after', EXAMPLES)
    .action(action(serve));
};

async function init({ directory, name, passphraseFile }: InitOptions, speak: Speaker): Promise<undefined> {
  const passphrase = await readSecret(passphraseFile, 'passphrase');
  const vkey = await inWords('--name', () => createWitness(directory, name, passphrase));
  const text = encodeVkey(vkey);
  speak.answer({ vkey: text, directory }, text);
  return undefined;
}

async function serve(
  { directory, listen, passphraseFile }: ServeOptions,
  speak: Speaker,
): Promise<undefined> {
  const address = parseListenAddress(listen);
  const passphrase = await readSecret(passphraseFile, 'passphrase');
  await runService({
    hangup: 'stop',
    open: async () => {
      const witness = await inWords(directory, () => openWitness(directory, passphrase, Date.now));
      const running = await serveWitness(witness, address, (event) => {
        notify(JSON.stringify({ time: new Date().toISOString(), event: 'add-checkpoint', ...event }));
      });
      const close = async (): Promise<void> => {
        await running.close();
        witness.close();
      };
      return { url: running.url, vkey: encodeVkey(witness.vkey), logs: [...witness.logs.keys()], close };
    },
    ready: ({ url, vkey, logs }) => {
      const names = logs.map((origin) => `\n  ${origin}`).join('');
      const list = logs.length === 0 ? ' none: name them in its file "logs"' : names;
      speak.answer({ event: 'ready', url, vkey, logs }, `Witness ${vkey}\nat ${url}, for the logs${list}`);
    },
  });
  return undefined;
}

/** What cannot be read was written by who runs the command. */
async function inWords<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError('USAGE', `${what}: ${error.message}`);
  }
}
