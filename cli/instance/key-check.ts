/** `mayfly keys show`, `check` and `generate`: keys by their references, wherever they are. */
import { createHash } from 'node:crypto';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { toHex, utf8 } from '../../core/bytes.ts';
import { encodePem } from '../../core/pem.ts';
import { printable } from '../../core/printable.ts';
import type { Backend, BackendKey, KeyFact } from '../../signers/backend.ts';
import { parseKeyReference, type RemoteReference } from '../../signers/key-reference.ts';
import { KEY_TYPES, type KeyType } from '../../signers/key-types.ts';
import { BACKENDS, openReference } from '../../signers/open-signer.ts';
import type { Signer } from '../../signers/signer.ts';
import { secretAsker } from '../program/ask-secret.ts';
import { action, CommandError, notify, type Speaker } from '../program/command.ts';
import { readSecret } from '../program/input-file.ts';
import { parseChoice } from '../program/options.ts';

const EXAMPLES = `
Examples:
  mayfly keys check 'pkcs11:object=ca?module-name=softhsm2'
  mayfly keys show 'pkcs11:id=%01?module-name=softhsm2'
  mayfly keys generate 'pkcs11:object=ca?module-name=softhsm2' --type p384
  mayfly keys check keys/intermediate.key.pem --passphrase-file passphrase

A reference is the path of a key file or a URI, between quotes. A PIN does
not belong into it: others see what a shell is given. Without pin-source= it is asked for.`;

interface KeyOptions {
  readonly passphraseFile?: string;
  readonly type?: string;
}

/** Adds them to the command `keys`. */
export function registerKeyCommands(keys: CommandUnknownOpts): void {
  const withPassphrase = (name: string, summary: string, description: string): CommandUnknownOpts =>
    keys
      .command(name)
      .summary(summary)
      .description(description)
      .argument('<reference>', 'path of a key file, or URI of a key')
      .option('--passphrase-file <file>', 'what opens an encrypted key file')
      .option('--json', 'print one object')
      .addHelpText('after', EXAMPLES);
  withPassphrase(
    'show',
    'show a public key and where its private key is',
    'Opens a key and shows its public half. Nothing is signed.',
  ).action(action((options: KeyOptions, speak, [reference = '']) => show(reference, options, speak)));
  withPassphrase(
    'check',
    'sign with a key, verify and time it',
    'Opens a key as the service does, signs with it some times, and verifies each signature. What is wrong is said as an operator needs it: what the loader says of a library, which slots, tokens and keys there are.',
  ).action(action((options: KeyOptions, speak, [reference = '']) => check(reference, options, speak)));
  keys
    .command('generate')
    .summary('make a key where a URI says')
    .description(
      'Makes a private key that cannot leave the token or the key service, and shows its public half. A key that is there is never replaced.',
    )
    .argument('<reference>', 'URI of the key')
    .requiredOption('--type <type>', `kind of key: ${KEY_TYPES.join(', ')}`)
    .option('--json', 'print one object')
    .addHelpText('after', EXAMPLES)
    .action(action((options: KeyOptions, speak, [reference = '']) => generate(reference, options, speak)));
}

async function show(reference: string, options: KeyOptions, speak: Speaker): Promise<undefined> {
  await withKey(reference, options, openIt, (signer, facts) => {
    answer(speak, signer, facts);
    return Promise.resolve();
  });
  return undefined;
}

async function generate(reference: string, options: KeyOptions, speak: Speaker): Promise<undefined> {
  const type = parseChoice(options.type ?? '', '--type', KEY_TYPES);
  await withKey(reference, options, makeIt(type), (signer, facts) => {
    answer(speak, signer, facts);
    return Promise.resolve();
  });
  return undefined;
}

/** Signatures of a check. */
const SIGNATURES = 20;

/** No DER begins with this, so that it can never be taken for anything else. */
const TRIED = utf8('mayfly keys check');

async function check(reference: string, options: KeyOptions, speak: Speaker): Promise<undefined> {
  await withKey(reference, options, openIt, async (signer, facts) => {
    const times: number[] = [];
    for (let i = 0; i < SIGNATURES; i++) {
      const from = performance.now();
      await signer.sign(TRIED);
      times.push(performance.now() - from);
    }
    times.sort((a, b) => a - b);
    const [median = 0, longest = 0] = [times[SIGNATURES / 2], times.at(-1)].map(
      (ms) => Math.round((ms ?? 0) * 100) / 100,
    );
    const line = `Signed and verified ${SIGNATURES} times: ${median} ms each, ${longest} ms at the longest.`;
    answer(speak, signer, facts, { signatures: SIGNATURES, medianMs: median, longestMs: longest }, line);
  });
  return undefined;
}

function answer(
  speak: Speaker,
  { algorithm, publicKey }: Signer,
  facts: readonly KeyFact[],
  more: Readonly<Record<string, unknown>> = {},
  line?: string,
): void {
  const sha256 = toHex(new Uint8Array(createHash('sha256').update(publicKey).digest()));
  const pem = encodePem('PUBLIC KEY', publicKey);
  const rows = [
    { name: 'algorithm', value: algorithm },
    { name: 'public key', value: `SHA-256 ${sha256}` },
    ...facts,
  ];
  const width = Math.max(...rows.map(({ name }) => name.length));
  const lines = rows.map(({ name, value }) => `${name.padEnd(width)}  ${printable(value)}`);
  speak.answer(
    { algorithm, publicKey: pem, sha256, facts, ...more },
    [...lines, line ?? pem.trimEnd()].join('\n'),
  );
}

/** What of a backend is used to come by a key. */
type Way = (backend: Backend) => Backend['open'];

const openIt: Way = (backend) => backend.open.bind(backend);

const makeIt =
  (type: KeyType): Way =>
  (backend) =>
  (reference, surroundings) => {
    if (backend.generate !== undefined) return backend.generate(reference, type, surroundings);
    throw new CommandError('REFUSED', 'keys of this kind are not made by Mayfly', {
      hint: 'Make it with the tools of its keeper.',
    });
  };

/** Milliseconds: an RSA key in a small token takes its time, and so does a person with a PIN. */
const OPEN_MS = 180_000;

/** Opens a key and closes it behind the work. */
async function withKey(
  text: string,
  options: KeyOptions,
  way: Way,
  work: (signer: Signer, facts: readonly KeyFact[]) => Promise<void>,
): Promise<void> {
  const reference = parseKeyReference(text);
  const passphrase = await readSecret(options.passphraseFile, 'passphrase');
  if (reference.kind === 'file') {
    if (options.type !== undefined)
      throw new CommandError('USAGE', 'a new key is made where a URI says, not in a file', {
        hint: '`mayfly init` and the renewals make key files.',
      });
    await work(await openReference(reference, { passphrase }), [{ name: 'file', value: reference.path }]);
    return;
  }
  let key: BackendKey | undefined;
  const open: Backend['open'] = async (wanted, surroundings) =>
    (key = await way(await backendOf(reference))(wanted, surroundings));
  const backends = { [reference.kind]: () => Promise.resolve({ open }) };
  const note = (sentence: string): void => {
    notify(`mayfly: warning: ${sentence}`);
  };
  const signer = await openReference(reference, {
    ask: secretAsker(),
    note,
    openMs: OPEN_MS,
    ...(BACKENDS[reference.kind] === undefined ? {} : { backends }),
  });
  try {
    await work(signer, (await key?.describe()) ?? []);
  } finally {
    await signer.remote?.close();
  }
}

async function backendOf({ kind }: RemoteReference): Promise<Backend> {
  const load = BACKENDS[kind];
  if (load === undefined) throw new CommandError('REFUSED', 'this version reaches no such keys');
  return load();
}
