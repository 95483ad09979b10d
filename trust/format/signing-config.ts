/** `signing_config.v0.2.json`: where a signing client finds the services of a Sigstore (`dev.sigstore.trustroot.v1.SigningConfig`), and
 * the file that holds it together with a trusted root. */
import { rfc3339 } from '../../core/clock.ts';
import { FormatError } from '../../core/errors.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import { MessageReader } from './message-reader.ts';
import { readTrustedRoot, trustedRootJson, type TrustedRoot, type Window } from './trusted-root.ts';

const SIGNING_CONFIG_MEDIA_TYPE = 'application/vnd.dev.sigstore.signingconfig.v0.2+json';
const CLIENT_TRUST_CONFIG_MEDIA_TYPE = 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json';

/** A service that a client may use. */
export interface SigningService {
  /** Base URL of a CA, an OpenID provider or a Rekor; the whole URL of a timestamp authority's endpoint. */
  readonly url: string;
  /** Version of its API: 1, or 2 for Rekor's tiles. */
  readonly majorApiVersion: number;
  readonly window: Window;
  /** Clients take one service of each operator. */
  readonly operator: string;
}

/** How many of the services of one kind a client asks. */
const SELECTORS = { SERVICE_SELECTOR_UNDEFINED: 0, ALL: 1, ANY: 2, EXACT: 3 } as const;

/** One of the selectors, with its count for `EXACT`. */
export interface ServiceSelection {
  readonly selector: keyof typeof SELECTORS;
  readonly count?: number | undefined;
}

/** The services of a Sigstore. A selection is there where the list is not empty: sigstore-js refuses it beside an empty one, and cosign
 * needs it beside one that is not. */
export interface SigningConfig {
  readonly certificateAuthorities: readonly SigningService[];
  readonly openidProviders: readonly SigningService[];
  readonly artifactLogs: readonly SigningService[];
  readonly artifactLogSelection?: ServiceSelection | undefined;
  readonly timestampAuthorities: readonly SigningService[];
  readonly timestampSelection?: ServiceSelection | undefined;
}

/** What sigstore-python and Kubewarden take in one file. */
export interface ClientTrustConfig {
  readonly trustedRoot: TrustedRoot;
  readonly signingConfig: SigningConfig;
}

/** Reads the text of a signing config; throws {@link FormatError} that names the member. */
export const parseSigningConfig = (text: string): SigningConfig =>
  readSigningConfig(MessageReader.of(text, 'signing config'));

function readSigningConfig(reader: MessageReader): SigningConfig {
  requireMediaType(reader, 'signing config', SIGNING_CONFIG_MEDIA_TYPE);
  const config = {
    certificateAuthorities: reader.messages('caUrls', readService),
    openidProviders: reader.messages('oidcUrls', readService),
    artifactLogs: reader.messages('rekorTlogUrls', readService),
    artifactLogSelection: reader.optionalMessage('rekorTlogConfig', readSelection),
    timestampAuthorities: reader.messages('tsaUrls', readService),
    timestampSelection: reader.optionalMessage('tsaConfig', readSelection),
  };
  reader.end();
  return config;
}

/** Reads the text of a client trust config; throws {@link FormatError} that names the member. */
export const parseClientTrustConfig = (text: string): ClientTrustConfig =>
  readClientTrustConfig(MessageReader.of(text, 'client trust config'));

/** The same for one whose JSON was read already. */
export function readClientTrustConfig(reader: MessageReader): ClientTrustConfig {
  requireMediaType(reader, 'client trust config', CLIENT_TRUST_CONFIG_MEDIA_TYPE);
  const config = {
    trustedRoot: reader.message('trustedRoot', readTrustedRoot),
    signingConfig: reader.message('signingConfig', readSigningConfig),
  };
  reader.end();
  return config;
}

function requireMediaType(reader: MessageReader, what: string, mediaType: string): void {
  if (reader.text('mediaType') !== mediaType)
    throw new FormatError('UNSUPPORTED', `the ${what} is not of media type ${mediaType}`);
}

const readService = (reader: MessageReader): SigningService => ({
  url: reader.text('url'),
  majorApiVersion: reader.optionalWhole('majorApiVersion') ?? 0,
  window: reader.message('validFor', (inner) => ({
    start: inner.time('start'),
    end: inner.optionalTime('end'),
  })),
  operator: reader.optionalText('operator') ?? '',
});

const readSelection = (reader: MessageReader): ServiceSelection => ({
  selector: reader.choice('selector', SELECTORS),
  count: reader.optionalWhole('count'),
});

/** The text of `signing_config.v0.2.json`, with all four lists. */
export const encodeSigningConfig = (config: SigningConfig): string =>
  `${JSON.stringify(signingConfigJson(config), undefined, 2)}\n`;

/** The text of a client trust config. */
export const encodeClientTrustConfig = ({ trustedRoot, signingConfig }: ClientTrustConfig): string =>
  `${JSON.stringify(
    {
      mediaType: CLIENT_TRUST_CONFIG_MEDIA_TYPE,
      trustedRoot: trustedRootJson(trustedRoot),
      signingConfig: signingConfigJson(signingConfig),
    },
    undefined,
    2,
  )}\n`;

const signingConfigJson = (config: SigningConfig): JsonValue => ({
  mediaType: SIGNING_CONFIG_MEDIA_TYPE,
  caUrls: config.certificateAuthorities.map(serviceJson),
  oidcUrls: config.openidProviders.map(serviceJson),
  rekorTlogUrls: config.artifactLogs.map(serviceJson),
  ...(config.artifactLogSelection && { rekorTlogConfig: selectionJson(config.artifactLogSelection) }),
  tsaUrls: config.timestampAuthorities.map(serviceJson),
  ...(config.timestampSelection && { tsaConfig: selectionJson(config.timestampSelection) }),
});

const serviceJson = ({ url, majorApiVersion, window, operator }: SigningService): JsonValue => ({
  url,
  majorApiVersion,
  validFor: {
    start: rfc3339(window.start),
    ...(window.end === undefined ? {} : { end: rfc3339(Math.ceil(window.end / 1000) * 1000) }),
  },
  operator,
});

const selectionJson = ({ selector, count }: ServiceSelection): JsonValue => ({
  selector,
  ...(count === undefined ? {} : { count }),
});
