/**
 * Fulcio's certificate extensions, arc 1.3.6.1.4.1.57264.1 (Fulcio's `oid-info.md`). Numbers 1–6 are deprecated and
 * carry raw UTF-8 as the extension value; 8–24 carry a DER UTF8String. Number 7 is not an extension but the type of
 * an otherName (see `subject-alt-name.ts`).
 */

/** How the value stands inside the extension's OCTET STRING. */
type ExtensionEncoding = 'raw' | 'utf8String';

/** One row of {@link FULCIO_EXTENSIONS}. */
export interface FulcioExtension {
  /** Last arc of the object identifier. */
  readonly number: number;
  /** Fulcio's name, as its JSON configuration spells it. */
  readonly name: string;
  readonly encoding: ExtensionEncoding;
}

/** The arc below which the numbers stand. */
export const FULCIO_ARC = '1.3.6.1.4.1.57264.1';

const row = (number: number, name: string): FulcioExtension => ({
  number,
  name,
  encoding: number <= 6 ? 'raw' : 'utf8String',
});

/** Every extension, in the order in which a certificate carries them. */
export const FULCIO_EXTENSIONS = [
  row(1, 'Issuer'),
  row(2, 'GithubWorkflowTrigger'),
  row(3, 'GithubWorkflowSHA'),
  row(4, 'GithubWorkflowName'),
  row(5, 'GithubWorkflowRepository'),
  row(6, 'GithubWorkflowRef'),
  row(8, 'IssuerV2'),
  row(9, 'BuildSignerURI'),
  row(10, 'BuildSignerDigest'),
  row(11, 'RunnerEnvironment'),
  row(12, 'SourceRepositoryURI'),
  row(13, 'SourceRepositoryDigest'),
  row(14, 'SourceRepositoryRef'),
  row(15, 'SourceRepositoryIdentifier'),
  row(16, 'SourceRepositoryOwnerURI'),
  row(17, 'SourceRepositoryOwnerIdentifier'),
  row(18, 'BuildConfigURI'),
  row(19, 'BuildConfigDigest'),
  row(20, 'BuildTrigger'),
  row(21, 'RunInvocationURI'),
  row(22, 'SourceRepositoryVisibilityAtSigning'),
  row(23, 'DeploymentEnvironment'),
  row(24, 'TokenSubject'),
] as const satisfies readonly FulcioExtension[];

const BY_NAME: ReadonlyMap<string, FulcioExtension> = new Map(
  FULCIO_EXTENSIONS.flatMap((extension) =>
    [`${FULCIO_ARC}.${extension.number}`, `1.${extension.number}`, plainName(extension.name)].map((name) => [
      name,
      extension,
    ]),
  ),
);

function plainName(name: string): string {
  return name.toLowerCase().replaceAll('-', '');
}

/** The extension that people mean: `SourceRepositoryURI`, `source-repository-uri`, `1.12` or the whole object identifier. */
export const fulcioExtensionOf = (name: string): FulcioExtension | undefined => BY_NAME.get(plainName(name));

/** Extension values by number; an absent or empty one leaves the extension out. Number 1 and 8 are always there. */
export type ExtensionValues = ReadonlyMap<number, string>;
