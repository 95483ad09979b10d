/** What `init` says of what it made. */
import { toBase64 } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import type { CertificateSummary, CreatedInstance } from '../../instance/create-instance.ts';
import type { AdoptedConfig } from '../../config/edit/adopted-config.ts';
import { countsOf, countsText, plural, warningLines } from '../config/inspection-text.ts';
import { invocation, passphraseWords } from '../program/invocation.ts';
import { quotedPath } from '../../storage/quoted-path.ts';

/** For machines. */
export function initFacts(
  { paths, chain, log, artifactLogs, timestamps, tuf, rootKeyFile }: CreatedInstance,
  { warnings, adopted }: Pick<ReportContext, 'warnings' | 'adopted'>,
): Record<string, unknown> {
  return {
    directory: paths.root,
    config: paths.config,
    ...(adopted && { configuration: adoptedFacts(adopted) }),
    chain: chain.map(certificateFacts),
    ...(timestamps === undefined ? {} : { timestamps: certificateFacts(timestamps) }),
    log: { origin: log.origin, name: log.name, logId: toBase64(log.logId), sctExtensions: log.sctExtensions },
    artifactLogs: artifactLogs.map(({ api, origin, logId }) => ({ api, origin, logId: toBase64(logId) })),
    ...(rootKeyFile === undefined ? {} : { rootKey: rootKeyFile }),
    ...(tuf === undefined ? {} : { tuf: { rootKey: tuf.rootKeyFile, root: tuf.root } }),
    warnings,
  };
}

const certificateFacts = ({
  subject,
  notAfter,
  fingerprint,
}: CertificateSummary): Readonly<Record<string, string>> => ({
  subject,
  notAfter: rfc3339(notAfter),
  sha256: fingerprint,
});

const adoptedFacts = ({ from, isUrlAdded, inspection }: TakenConfig): Readonly<Record<string, unknown>> => ({
  from,
  addedPublicUrl: isUrlAdded,
  ...countsOf(inspection.issuers),
  warnings: inspection.findings,
});

/** A configuration that was taken over. */
interface TakenConfig extends AdoptedConfig {
  /** The file, as it was named. */
  readonly from: string;
}

/** How the directory was asked for. */
export interface ReportContext {
  readonly data: string;
  readonly keepRootKey?: boolean | undefined;
  readonly passphraseFile?: string | undefined;
  readonly encrypted: boolean;
  /** With what the root key is encrypted: a passphrase of its own, or the server's. */
  readonly rootEncryption: 'own' | 'shared' | 'none';
  /** What was made but is perhaps not what was meant, a line each. */
  readonly warnings: readonly string[];
  /** The configuration that was taken over, if one was. */
  readonly adopted?: TakenConfig | undefined;
}

/** For people: what there is, what to keep where, and what to do next. */
export function initReport(instance: CreatedInstance, context: ReportContext): string {
  const { paths, chain, log } = instance;
  return [
    `Made ${paths.root}`,
    '',
    ...chain.flatMap((certificate, index) => certificateLines(titleOf(index, chain.length), certificate)),
    ...timestampLines(instance, context),
    row('Log', log.origin),
    row('', `log id ${toBase64(log.logId)}`),
    ...artifactLogLines(instance),
    row(
      'Keys',
      context.encrypted ? 'encrypted with the passphrase' : 'not encrypted; give --passphrase-file for that',
    ),
    ...rootKeyLines(instance, context),
    ...tufLines(instance, context),
    ...configLines(context),
    ...context.warnings.map((warning) => row('Warning', warning)),
    '',
    'Next:',
    ...firstStep(paths.config, context),
    `  2. ${serveCommand(context)}`,
    `  3. ${invocation()} trust export --data ${quotedPath(context.data)} --out ./trust   (for those who verify)`,
    ...(instance.tuf === undefined
      ? []
      : [
          `     ${invocation()} trust tuf status --data ${quotedPath(context.data)}   (for clients that fetch it)`,
        ]),
  ].join('\n');
}

const artifactLogLines = ({ artifactLogs }: CreatedInstance): string[] =>
  artifactLogs.map(({ api, origin }, index) =>
    row(index === 0 ? 'Artifacts' : '', `Rekor v${api}: ${origin}`),
  );

function configLines({ adopted }: ReportContext): string[] {
  if (adopted === undefined) return [];
  const { from, inspection, isUrlAdded } = adopted;
  const { findings } = inspection;
  return [
    row('Issuers', `${countsText(countsOf(inspection.issuers))}, as ${from} has them`),
    row(
      '',
      isUrlAdded
        ? 'The file was copied as it is, with mayfly.public-url behind it.'
        : 'The file was copied as it is.',
    ),
    ...(findings.length === 0
      ? []
      : [
          row('', `What should be known of it (${plural(findings.length, 'warning')}):`),
          ...warningLines(from, findings).map((line) => indented(line)),
        ]),
  ];
}

const indented = (text: string): string => text.replaceAll(/^/gm, ' '.repeat(15));

function firstStep(config: string, { adopted }: ReportContext): string[] {
  const check = `${invocation()} config check ${quotedPath(config)}`;
  if (adopted !== undefined)
    return [`  1. See that ${config} lets in whom it should, and nobody else: rules say so (${check})`];
  return [
    `  1. Say who may sign: take the "#" off the lines of an issuer in ${config}, and fill in its rules`,
    `     (other providers: ${invocation()} config preset --list; what is wrong or too open: ${check})`,
  ];
}

const row = (title: string, text: string): string => `  ${title.padEnd(12)} ${text}`;

const titleOf = (index: number, length: number): string => {
  if (index === length - 1) return 'Root CA';
  return index === 0 ? 'Issuing CA' : 'CA';
};

const certificateLines = (
  title: string,
  { subject, notAfter, fingerprint }: CertificateSummary,
): string[] => [row(title, `${subject}, until ${rfc3339(notAfter)}`), row('', `SHA-256 ${fingerprint}`)];

const timestampLines = ({ timestamps }: CreatedInstance, { data }: ReportContext): string[] =>
  timestamps === undefined
    ? [
        row('Timestamps', 'none: only the root can certify a key for them. Where its key is at hand:'),
        row(
          '',
          `${invocation()} tsa init --data ${quotedPath(data)} --root-key FILE   (elsewhere: --csr FILE)`,
        ),
      ]
    : certificateLines('Timestamps', timestamps);

function rootKeyLines(
  { rootKeyFile }: CreatedInstance,
  { keepRootKey, rootEncryption }: ReportContext,
): string[] {
  if (rootKeyFile === undefined) return [];
  const advice =
    keepRootKey === true
      ? 'The service never opens it and will warn of it: move it offline before you go into production.'
      : 'Take it offline now. Only a new key for timestamps, each year, and a new intermediate, in three years, need it.';
  const encryption = ROOT_ENCRYPTION[rootEncryption];
  return [
    row('Root key', rootKeyFile),
    ...(encryption === undefined ? [] : [row('', encryption)]),
    row('', advice),
  ];
}

const tufLines = ({ tuf }: CreatedInstance, { data }: ReportContext): string[] =>
  tuf === undefined
    ? [
        row('TUF', 'none: clients get what they trust as files. To let them fetch it from the service:'),
        row('', `${invocation()} trust tuf init --data ${quotedPath(data)} --tuf-root-key-out FILE`),
      ]
    : [
        row('TUF root', `${tuf.root.version}.root.json, SHA-256 ${tuf.root.sha256}`),
        row('TUF root key', tuf.rootKeyFile),
        row('', 'It is needed once a year, and whenever what clients trust changes: docs/tuf.md.'),
      ];

const ROOT_ENCRYPTION: Readonly<Record<ReportContext['rootEncryption'], string | undefined>> = {
  own: 'encrypted with a passphrase of its own',
  shared:
    "encrypted with the server's passphrase; another one: `mayfly keys passphrase --key FILE`, or --root-passphrase-file here",
  none: undefined,
};

const serveCommand = (context: ReportContext): string =>
  `${invocation()} serve --data ${quotedPath(context.data)}${passphraseWords(context)}`;
