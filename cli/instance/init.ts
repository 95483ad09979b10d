/** `mayfly init`: a CA, a log and a configuration for production. */
import { basename, dirname, join, resolve } from 'node:path';
import { adoptAuthority } from '../../ca/adopt.ts';
import { CeremonyError } from '../../ca/ceremony-error.ts';
import { adoptConfig, type AdoptedConfig } from '../../config/edit/adopted-config.ts';
import { ConfigError } from '../../config/findings/config-error.ts';
import { readConfigFile } from '../../config/load/read-file.ts';
import { isPublicUrl } from '../../config/schema/addresses.ts';
import { productionConfig } from '../../config/presets/template.ts';
import { action, CommandError, type RegisterCommand, type Speaker } from '../program/command.ts';
import {
  createInstance,
  defaultOrigin,
  type CreatedInstance,
  type ExistingAuthority,
  type NewAuthority,
} from '../../instance/create-instance.ts';
import type { NewTuf } from '../../instance/create-tuf.ts';
import { isArtifactLogHost } from '../../rekor/log-identity.ts';
import { nameOfOrigin } from '../../tlog/core/log-identity.ts';
import type { ServiceUrls } from '../../trust/signing-services.ts';
import { usualPublicUrl } from '../../trust/usual-public-url.ts';
import { initFacts, initReport, type ReportContext } from './init-report.ts';
import { readLimited, readSecret } from '../program/input-file.ts';
import { checkOrigin, originWarnings } from './log-origin.ts';
import { configuredUrls } from '../trust/service-urls.ts';
import { parseChoice } from '../program/options.ts';
import { isInside } from '../program/output-directory.ts';
import { recorded, TRANSCRIPT_OPTION } from '../program/transcript.ts';

interface InitOptions {
  readonly data: string;
  readonly rootKeyOut?: string;
  readonly keepRootKey?: boolean;
  readonly tufRootKeyOut?: string;
  readonly origin?: string;
  readonly publicUrl?: string;
  readonly organization?: string;
  readonly commonName?: string;
  readonly keyType?: string;
  readonly sctExtensions: string;
  readonly passphraseFile?: string;
  readonly rootPassphraseFile?: string;
  readonly caChain?: string;
  readonly caKey?: string;
  readonly config?: string;
}

const EXAMPLES = `
Examples:
  mayfly init --data /var/lib/mayfly --root-key-out /media/usb/root.key.pem --passphrase-file pass.txt \\
      --root-passphrase-file /media/usb2/root-pass.txt
  mayfly init --data ./data --keep-root-key --origin ca.example.org/log/2026 --public-url https://ca.example.org
  mayfly init --data ./data --root-key-out root.key.pem --organization "Example Ltd" --common-name "Example signing"
  mayfly init --data ./data --ca-chain chain.pem --ca-key issuing.key.pem
  mayfly init --data ./data --ca-key issuing.p12 --passphrase-file pass.txt
  mayfly init --data ./data --ca-chain chain.pem --ca-key issuing.key.pem --config fulcio-config.yaml

The root signs one intermediate and is then no longer needed: keep its key offline. Nothing is ever overwritten. With
--ca-key an existing CA is adopted: PEM (PKCS#8, PKCS#1, SEC1, encrypted or not) or PKCS#12, which may hold the chain
too. The passphrase opens that key and encrypts every key that is written; its file's first line is taken. The root key
should have another one (--root-passphrase-file): who breaks into the server has the server's.

--config takes over a configuration, such as Fulcio's: it is checked as the service checks it, refused with all that is wrong, and copied as it
is. What it opens is said, a line each. --public-url is put behind it where it has none.

Clients may get all that they have to trust from the service itself, through TUF. Its root key is needed once a year, and to change
what they trust; it is encrypted as the root key is. An adopted CA gets a repository when --tuf-root-key-out names a file.`;

/** Adds `init`. */
export const register: RegisterCommand = (program) => {
  program
    .command('init')
    .summary('make a CA and its log for production')
    .description('Makes a data directory: CA, transparency log, keys and a commented configuration.')
    .requiredOption('--data <dir>', 'the directory to make; must not exist or be empty')
    .option('--root-key-out <file>', 'write the root key there, to be taken offline')
    .option('--keep-root-key', 'keep the root key in the data directory')
    .option(
      '--tuf-root-key-out <file>',
      "write the key of TUF's root and targets there (default: tuf-NAME beside --root-key-out NAME)",
    )
    .option('--origin <origin>', "the log's name for good: HOST/log/NAME (default: localhost/log/<year>)")
    .option('--public-url <url>', 'where clients will reach the service; goes into the configuration')
    .option('--organization <name>', 'O of the CA certificates (default: "Mayfly")')
    .option('--common-name <name>', 'CN of the CA certificates (default: "Mayfly CA")')
    .option('--key-type <type>', 'of the CA keys: p256, p384, rsa3072 or rsa4096 (default: p256)')
    .option('--sct-extensions <kind>', 'leaf_index (static-ct-api) or none (RFC 6962 only)', 'leaf_index')
    .option('--passphrase-file <file>', 'encrypt the keys with the first line of this file')
    .option('--root-passphrase-file <file>', 'encrypt the root key with the first line of this file instead')
    .option('--ca-chain <file>', 'adopt a CA: its certificates, issuing CA first')
    .option('--ca-key <file>', 'adopt a CA: its private key, or PKCS#12')
    .option('--config <file>', 'adopt a configuration, such as the one of Fulcio, as it is')
    .option(...TRANSCRIPT_OPTION)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(action(recorded(init)));
};

async function init(options: InitOptions, speak: Speaker): Promise<undefined> {
  const clock = Date.now;
  checkCombination(options);
  const askedUrl = checkPublicUrl(options.publicUrl);
  const adopted = await adoptedConfig(options.config, askedUrl);
  const publicUrl = askedUrl ?? adopted?.inspection.mayfly.publicUrl;
  const origin = options.origin === undefined ? defaultOrigin(clock) : checkOrigin(options.origin);
  const sctExtensions = parseChoice(options.sctExtensions, '--sct-extensions', ['leaf_index', 'none']);
  const warnings: string[] = [];
  const warn = (sentence: string): void => {
    warnings.push(sentence);
  };
  const passphrase = await readSecret(options.passphraseFile, 'passphrase', warn);
  const rootPassphrase = await readSecret(options.rootPassphraseFile, 'root passphrase', warn);
  const authority = await authorityOf(options, passphrase);
  const instance = await createInstance({
    ...{
      data: options.data,
      mode: 'production',
      authority,
      origin,
      sctExtensions,
      passphrase,
      rootPassphrase,
      clock,
    },
    artifactHost: artifactHostOf(publicUrl, origin, warn),
    tuf: newTuf(
      options,
      configuredUrls(
        publicUrl ?? usualPublicUrl({ origin, name: nameOfOrigin(origin) }),
        adopted?.inspection,
      ),
    ),
    logPlaces: adopted?.inspection.mayfly.log,
    configText: adopted?.text ?? productionConfig({ publicUrl }),
  }).catch(usageFault);
  if (options.origin === undefined) warnings.push(...originWarnings(origin, publicUrl));
  const reported = {
    encrypted: passphrase !== undefined,
    rootEncryption: encryptionOf(passphrase, rootPassphrase),
    warnings,
    adopted: adopted && { ...adopted, from: options.config ?? '' },
  };
  report(options, instance, reported, speak);
}

/** The host of the public URL, which clients compare with the names of the logs of artifacts; undefined where it cannot be such a name. */
function artifactHostOf(
  publicUrl: string | undefined,
  origin: string,
  warn: (sentence: string) => void,
): string | undefined {
  const host = publicUrl === undefined ? origin.replace(/[:/].*/, '') : new URL(publicUrl).hostname;
  if (isArtifactLogHost(host)) return host;
  warn(`no logs of artifacts were made: ${host} cannot be the name of one`);
  return undefined;
}

/** Rejects with ConfigError for one that cannot be used, and {@link CommandError} where there is none. */
async function adoptedConfig(
  file: string | undefined,
  publicUrl: string | undefined,
): Promise<AdoptedConfig | undefined> {
  if (file === undefined) return undefined;
  const text = await readConfigFile(file).catch((error: unknown) => {
    const isUnreadable = error instanceof ConfigError && error.code === 'CONFIG_UNREADABLE';
    throw isUnreadable
      ? usage(`--config: ${error.message}`, 'Name the file that --config-path of Fulcio names.')
      : error;
  });
  return adoptConfig(text, file, { directory: dirname(resolve(file)), publicUrl });
}

function encryptionOf(
  passphrase: string | undefined,
  root: string | undefined,
): ReportContext['rootEncryption'] {
  if (root !== undefined) return root === passphrase ? 'shared' : 'own';
  return passphrase === undefined ? 'none' : 'shared';
}

/** Options that belong to a new CA only. */
const NEW_ONLY = [
  'rootKeyOut',
  'keepRootKey',
  'rootPassphraseFile',
  'organization',
  'commonName',
  'keyType',
] as const;
const FLAGS: Readonly<Record<(typeof NEW_ONLY)[number], string>> = {
  rootKeyOut: '--root-key-out',
  keepRootKey: '--keep-root-key',
  rootPassphraseFile: '--root-passphrase-file',
  organization: '--organization',
  commonName: '--common-name',
  keyType: '--key-type',
};

function checkCombination(options: InitOptions): void {
  checkOutside(options, options.tufRootKeyOut, '--tuf-root-key-out');
  if (options.caKey !== undefined || options.caChain !== undefined) {
    const extra = NEW_ONLY.find((name) => options[name] !== undefined);
    if (extra !== undefined)
      throw usage(`${FLAGS[extra]} has no meaning when a CA is adopted`, 'Leave it out.');
    if (options.caKey === undefined)
      throw usage('--ca-chain needs --ca-key', 'A PKCS#12 file that holds both is given as --ca-key alone.');
    return;
  }
  const { rootKeyOut, keepRootKey } = options;
  if (rootKeyOut !== undefined && keepRootKey === true)
    throw usage('--root-key-out and --keep-root-key exclude each other', 'Give one of them.');
  if (rootKeyOut === undefined && keepRootKey !== true)
    throw usage(
      'say where the root key goes: --root-key-out FILE or --keep-root-key',
      'The service does not need it: write it to a medium that is kept offline.',
    );
  checkOutside(options, rootKeyOut, '--root-key-out');
}

function checkOutside({ data }: InitOptions, file: string | undefined, option: string): void {
  if (file !== undefined && isInside(resolve(data), resolve(file)))
    throw usage(
      `${option} lies inside the data directory`,
      'Name a file elsewhere, or use --keep-root-key if the root key is to stay on the server.',
    );
}

/** Where the key of TUF's root and targets goes: to the file that is named, else with the root key. Who adopts a CA has said of no place for keys,
 * and gets a repository only by naming one. */
function newTuf(options: InitOptions, urls: ServiceUrls): NewTuf | undefined {
  const file = tufRootKeyFile(options);
  if (file === undefined && options.keepRootKey !== true) return undefined;
  return { rootKey: file === undefined ? 'keep' : { file }, urls };
}

const tufRootKeyFile = ({ tufRootKeyOut, rootKeyOut }: InitOptions): string | undefined =>
  tufRootKeyOut ??
  (rootKeyOut === undefined ? undefined : join(dirname(rootKeyOut), `tuf-${basename(rootKeyOut)}`));

function checkPublicUrl(url: string | undefined): string | undefined {
  if (url === undefined || isPublicUrl(url)) return url?.replace(/(?<!\/)\/+$/, '');
  throw usage(
    `--public-url: "${url.slice(0, 200)}" is not usable`,
    'Give a URL such as https://ca.example.org.',
  );
}

async function authorityOf(
  options: InitOptions,
  passphrase: string | undefined,
): Promise<NewAuthority | ExistingAuthority> {
  const { caKey, caChain } = options;
  if (caKey !== undefined) {
    const key = await readLimited(caKey, '--ca-key');
    return adoptAuthority({ key, chainPem: await chainOf(caChain, caKey), passphrase, clock: Date.now });
  }
  return {
    organization: options.organization ?? 'Mayfly',
    commonName: options.commonName ?? 'Mayfly CA',
    keyType: options.keyType ?? 'p256',
    rootKey: options.rootKeyOut === undefined ? 'keep' : { file: options.rootKeyOut },
  };
}

/** The chain's text; undefined when the key's file is named for both, as one does with PKCS#12. */
async function chainOf(chainFile: string | undefined, keyFile: string): Promise<string | undefined> {
  if (chainFile === undefined || resolve(chainFile) === resolve(keyFile)) return undefined;
  return Buffer.from(await readLimited(chainFile, '--ca-chain')).toString('latin1');
}

/** A key type or a name that does not do was asked for on the command line. */
function usageFault(error: unknown): never {
  const isUsage =
    error instanceof CeremonyError && ['KEY_TYPE_UNSUITABLE', 'NAME_UNSUITABLE'].includes(error.code);
  throw isUsage ? usage(error.message, error.hint ?? '') : error;
}

const usage = (message: string, hint: string): CommandError => new CommandError('USAGE', message, { hint });

type Reported = Pick<ReportContext, 'encrypted' | 'rootEncryption' | 'warnings' | 'adopted'>;

function report(options: InitOptions, instance: CreatedInstance, reported: Reported, speak: Speaker): void {
  speak.answer(initFacts(instance, reported), initReport(instance, { ...options, ...reported }));
}
