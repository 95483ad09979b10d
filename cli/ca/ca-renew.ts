import { basename } from 'node:path';
import { caKeyTypeOf } from '../../ca/certify.ts';
import { intermediateRequest, nextCommonName } from '../../ca/renewal.ts';
import { changing } from '../../instance/change-lock.ts';
import { discardSuccessor } from '../../instance/discard-successor.ts';
import { openPrivateKey } from '../../instance/private-key-file.ts';
import { waitingKey } from '../../instance/stage-successor.ts';
import { authoritySuccession, requireNothingStaged, type Succession } from '../../instance/succession.ts';
import { readChain } from '../../trust/collect.ts';
import { discardAnswer } from '../program/discarded.ts';
import { writeOutput } from './ca-output.ts';
import { installAuthority, stageAuthority, switchAuthority } from './ca-successor.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readSecret } from '../program/input-file.ts';
import { invocation, passphraseWords } from '../program/invocation.ts';
import { chooseKey } from '../program/key-choice.ts';
import { requireKeyFiles } from '../program/named-keys.ts';
import { quoted, quotedPath } from '../../storage/quoted-path.ts';

/** Options of `mayfly ca renew`. */
interface RenewOptions {
  readonly data: string;
  readonly csr?: string;
  readonly stage?: string;
  readonly switch?: true;
  readonly install?: string;
  readonly discard?: true;
  readonly newRoot?: true;
  readonly passphraseFile?: string;
  readonly keyType?: string;
  readonly commonName?: string;
}

/** The steps of a renewal. Rejects with the typed error of what does not fit; nothing is in force then that was not. */
export async function renew(options: RenewOptions, speak: Speaker): Promise<undefined> {
  const { csr, stage, install } = options;
  const steps = [csr, stage, options.switch, install, options.discard].filter((step) => step !== undefined);
  if (steps.length !== 1)
    throw usage(
      'say which step: --csr FILE, --stage CHAIN, --switch, --install CHAIN, or --discard',
      'See: mayfly ca renew --help',
    );
  if (csr === undefined && (options.keyType ?? options.commonName) !== undefined)
    throw usage('--key-type and --common-name belong to --csr', 'Leave them out.');
  if (options.newRoot !== undefined && (stage ?? install) === undefined)
    throw usage('--new-root belongs to --stage and --install', 'Leave it out.');
  await changing(options.data, async ({ paths }) => {
    if (options.discard !== true)
      await requireKeyFiles(paths, [
        { setting: 'ca', reference: paths.intermediateKey },
        { setting: 'ca-next', reference: paths.nextIntermediateKey },
      ]);
    const succession = authoritySuccession(paths, await readSecret(options.passphraseFile, 'passphrase'));
    const { data, passphraseFile, newRoot } = options;
    const successor = { succession, data, passphraseFile, mayHaveNewRoot: newRoot === true };
    if (csr !== undefined) await request(csr, options, succession, speak);
    else if (stage !== undefined) await stageAuthority(stage, successor, speak);
    else if (install !== undefined) await installAuthority(install, successor, speak);
    else if (options.discard === true)
      speak.answer(...discardAnswer(await discardSuccessor(succession), options.data, 'with --csr'));
    else await switchAuthority(successor, speak);
  });
  return undefined;
}

async function request(
  csr: string,
  options: RenewOptions,
  succession: Succession,
  speak: Speaker,
): Promise<void> {
  const { nextKey, paths, passphrase } = succession;
  await requireNothingStaged(succession);
  const [issuing = new Uint8Array()] = await readChain(succession.chain);
  const name = options.commonName ?? nextCommonName(issuing);
  // Who asks a second time, for a request that was lost, asks for the same key.
  const { key, isNew, keep } = await chooseKey(await waitingKey(succession), {
    paths,
    passphrase,
    file: nextKey,
    keyType: options.keyType,
    defaultType: async () => caKeyTypeOf(await openPrivateKey(paths.intermediateKey, passphrase)),
    toBeginAgain: 'give it up with --discard',
  });
  // Before the file of the key: what is wrong with the name leaves nothing behind.
  const pem = await intermediateRequest(key, issuing, name);
  await keep();
  await writeOutput(csr, pem, '--csr');
  const lines = [
    isNew ? `New key: ${nextKey}` : `The key of the renewal that was begun: ${nextKey}`,
    `Request: ${csr}, for CN=${name}`,
    'Next, where the root key is (any X.509 tool does):',
    `  mayfly ca sign ${quoted(basename(csr))} --root root.pem --root-key root.key.pem --out chain.pem`,
    'and here again:',
    `  ${invocation()} ca renew --data ${quotedPath(options.data)} --stage chain.pem${passphraseWords(options)}`,
  ];
  speak.answer({ csr, key: nextKey, commonName: name, begun: !isNew }, lines.join('\n'));
}

const usage = (sentence: string, hint: string): CommandError => new CommandError('USAGE', sentence, { hint });
