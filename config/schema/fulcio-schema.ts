import { z } from 'zod';
import { FULCIO_EXTENSIONS, type FulcioExtension } from '../../core/fulcio-extensions.ts';
import { ISSUER_TYPES } from '../../oidc/core/issuer-definition.ts';
import { mayflyIssuerSchema } from './issuer-schema.ts';

/**
 * The part of the configuration that Fulcio defined. Each field's `json` is its name in Fulcio's JSON form, which is
 * accepted in any case; the property itself is the YAML name. What stands here is only the shape: what the values
 * must be together is in `config/issuers`. What is ours stands in a block `mayfly` of its own.
 */
const field = <T extends z.ZodType>(schema: T, json: string, description: string, more: object = {}): T =>
  schema.meta({ json, description, ...more });

const text = (json: string, description: string) => field(z.string().optional(), json, description);

/** One value or a list of them. */
const oneOrMore = <T extends z.ZodType>(schema: T) =>
  z.union([schema, z.array(schema).min(1, 'must not be an empty list')]);

const url =
  "The issuer's URL, exactly as its tokens spell it in `iss`. Must equal the key of the block; absent, the key is taken.";

/** One issuer block, below `oidc-issuers` or `meta-issuers`. */
export const issuerSchema = z
  .object({
    'issuer-url': text('IssuerURL', url),
    'client-id': field(
      oneOrMore(z.string().min(1, 'must not be empty')),
      'ClientID',
      'The audience (`aud`) that a token must be for, or a list of which it must be for one. `sigstore` is what public clients ask for; an audience of your own keeps tokens made for others out.',
    ),
    type: field(
      z.string(),
      'Type',
      'What the tokens mean: `email`, `uri`, `username`, `spiffe`, `kubernetes`, `ci-provider`, `chainguard-identity`, or one of the deprecated `github-workflow`, `gitlab-pipeline`, `codefresh-workflow` and `buildkite-job`.',
      // Only for editors: a wrong one has a sentence of its own, in `config/issuers/issuer-type.ts`.
      { enum: ISSUER_TYPES },
    ),
    'ci-provider': text(
      'CIProvider',
      'Type `ci-provider`: the name below `ci-issuer-metadata` of the templates to use.',
    ),
    'issuer-claim': text(
      'IssuerClaim',
      'Type `email`: JSONPath of the claim that the certificate names as the issuer, e.g. `$.federated_claims.connector_id`.',
    ),
    'subject-domain': text(
      'SubjectDomain',
      'Type `uri`: the URL whose scheme and host name the subject must share, e.g. `https://example.com`. Type `username`: the domain that stands behind the name, e.g. `example.com`.',
    ),
    'spiffe-trust-domain': text(
      'SPIFFETrustDomain',
      'Type `spiffe`: the trust domain that every subject must be of, e.g. `example.org`.',
    ),
    'challenge-claim': text(
      'ChallengeClaim',
      'Shown to clients by `/api/v2/configuration`; never decides what a proof of possession signs.',
    ),
    description: text('Description', 'For people.'),
    contact: text('Contact', 'Whom to ask about this issuer; for people.'),
    environment: text('Environment', 'For people; not enforced.'),
    'ca-cert': text(
      'CACert',
      "PEM certificates trusted for this issuer's discovery and keys, beside the system's own.",
    ),
    'skip-email-verification': field(
      z.boolean().default(false),
      'SkipEmailVerification',
      'Type `email`: take addresses that the issuer does not call verified. Anyone who can register any address there can then sign as anybody.',
    ),
    mayfly: mayflyIssuerSchema
      .prefault({})
      .meta({ description: 'What only Mayfly has for an issuer block: who may, how often, for how long.' }),
  })
  .meta({ id: 'issuer' });

/** The values of one issuer block. */
export type IssuerValues = z.output<typeof issuerSchema>;

/** The extensions that a template may fill: issuer and subject always come from the token. */
const TEMPLATED = FULCIO_EXTENSIONS.filter(({ number }) => ![1, 8, 24].includes(number));

/** `BuildSignerURI` → `build-signer-uri`. */
const yamlName = (extension: FulcioExtension): string =>
  extension.name.replace(/([a-z])([A-Z])/g, '$1-$2').toLowerCase();

/** YAML name of a template → number of its extension. */
export const EXTENSION_NUMBERS: ReadonlyMap<string, number> = new Map(
  TEMPLATED.map((extension) => [yamlName(extension), extension.number]),
);

const extensionTemplates = z.object(
  Object.fromEntries(
    TEMPLATED.map((extension) => [
      yamlName(extension),
      text(extension.name, `Extension 1.3.6.1.4.1.57264.1.${extension.number}.`),
    ]),
  ),
);

/** One provider of `ci-issuer-metadata`. */
export const ciProviderSchema = z.object({
  'default-template-values': field(
    z.record(z.string(), z.string()).default({}),
    'DefaultTemplateValues',
    'Values that templates find when the token has no claim of that name. A claim of the same name wins.',
  ),
  'extension-templates': field(
    extensionTemplates.default({}),
    'ExtensionTemplates',
    "Certificate extensions: a claim's name, or text with `{{ .claim }}`. What comes out empty is left out.",
  ),
  'subject-alternative-name-template': field(
    z.string().default(''),
    'SubjectAlternativeNameTemplate',
    "The same for the URI that becomes the certificate's name. Required.",
  ),
  mayfly: z
    .strictObject({
      pinned: z.record(z.string(), z.string()).default({}).meta({
        description:
          'Values that templates find under a name whatever the token claims, e.g. the `url` of the provider.',
      }),
    })
    .prefault({})
    .meta({ description: 'What only Mayfly has for a provider.' }),
});

/** The values of one CI provider. */
export type CiProviderValues = z.output<typeof ciProviderSchema>;

/** The keys at the top of the file, ours (`mayfly`) left out. */
export const fulcioShape = {
  'oidc-issuers': field(
    z.record(z.string(), oneOrMore(issuerSchema)).default({}),
    'OIDCIssuers',
    'Who may ask for certificates: issuer URL → what its tokens mean, or a list of such blocks, among which the audience of a token chooses. Without an issuer block no certificate can be issued.',
  ),
  'meta-issuers': field(
    z.record(z.string(), oneOrMore(issuerSchema)).default({}),
    'MetaIssuers',
    'The same for issuers whose URL fits a pattern: each `*` stands for one or more letters, digits, `-` and `_`. An exact URL goes first, then the pattern with the most literal characters.',
  ),
  'ci-issuer-metadata': field(
    z.record(z.string(), ciProviderSchema).default({}),
    'CIIssuerMetadata',
    'How the claims of a CI provider become a name and extensions: provider name → templates.',
  ),
  define: field(z.unknown().optional(), 'define', 'Holds YAML anchors; otherwise ignored.'),
};
