/** Where `mayfly sign` signs, and what it judges its own bundles by: files, or what the service at a URL says. */
import { FormatError } from '../../core/errors.ts';
import {
  parseClientTrustConfig,
  parseSigningConfig,
  type ClientTrustConfig,
  type SigningConfig,
  type SigningService,
} from '../../trust/format/signing-config.ts';
import type { TrustedRoot } from '../../trust/format/trusted-root.ts';
import { parseUrl } from '../certificate/http.ts';
import type { NamedIssuer } from '../certificate/identity-token.ts';
import { ServiceClient } from '../certificate/service.ts';
import { CommandError } from '../program/command.ts';
import { readLimited } from '../program/input-file.ts';
import { fileOfExport, readTrustedRootFile, trustPath, type TrustOptions } from '../verify/chosen-trust.ts';
import { selectServices } from './select-services.ts';

/** Options that say which Sigstore. */
export interface ServiceOptions extends TrustOptions {
  readonly url?: string;
  readonly trustConfig?: string;
  readonly signingConfig?: string;
}

/** The services of one run. */
export interface SigningServices {
  readonly authority: ServiceClient;
  /** Where people log in, if it is known. */
  readonly usualIssuer: NamedIssuer | undefined;
  readonly timestampAuthorities: readonly URL[];
  readonly artifactLogs: readonly SigningService[];
  readonly trustedRoot: TrustedRoot;
  /** `service`: the trusted root is the word of the service itself. That shows mistakes, not lies. */
  readonly trustedBy: 'file' | 'service';
}

/** Where a service is when nothing is said. */
export const USUAL_URL = 'http://127.0.0.1:5555';

/** The services that the options name, at `now` (milliseconds since the epoch). Rejects with {@link CommandError}: `USAGE` for options and files
 * that cannot be used, others where the service does not say what is needed. */
export async function signingServices(options: ServiceOptions, now: number): Promise<SigningServices> {
  const trustedRoot = trustPath(options);
  checkCombination(options, trustedRoot);
  const trustConfig = options.trustConfig && fileOfExport(options.trustConfig, 'client_trust_config.json');
  const signingConfig =
    options.signingConfig && fileOfExport(options.signingConfig, 'signing_config.v0.2.json');
  if (trustConfig !== undefined) {
    const config = parsedFile(
      await fileText(trustConfig, '--trust-config'),
      '--trust-config',
      trustConfig,
      parseClientTrustConfig,
    );
    return chosen(config.signingConfig, config.trustedRoot, now);
  }
  if (signingConfig !== undefined) {
    const config = parsedFile(
      await fileText(signingConfig, '--signing-config'),
      '--signing-config',
      signingConfig,
      parseSigningConfig,
    );
    return chosen(config, await readTrustedRootFile(trustedRoot ?? '', '--trusted-root'), now);
  }
  return servicesAt(options.url, trustedRoot, now);
}

function checkCombination(
  { url, trustConfig, signingConfig }: ServiceOptions,
  trustedRoot: string | undefined,
): void {
  const places = [url, trustConfig, signingConfig].filter((place) => place !== undefined);
  if (places.length > 1)
    throw usage('--url, --trust-config and --signing-config each say where to sign', 'Give one of them.');
  if (trustConfig !== undefined && trustedRoot !== undefined)
    throw usage(
      '--trust-config holds a trusted root already',
      'Leave --trusted-root out, or give --signing-config beside it.',
    );
  if (signingConfig !== undefined && trustedRoot === undefined)
    throw usage(
      '--signing-config needs --trusted-root beside it',
      'Nothing is handed over that was not verified; --trust-config takes both in one file.',
    );
}

const fileText = async (path: string, option: string): Promise<string> =>
  Buffer.from(await readLimited(path, option, HINTS[option])).toString('utf8');

const HINTS: Readonly<Record<string, string>> = {
  '--trust-config': 'It is a client trust config, such as client_trust_config.json of `mayfly trust export`.',
  '--signing-config': 'It is a signing config, such as signing_config.v0.2.json of `mayfly trust export`.',
};

function parsedFile<T>(text: string, option: string, path: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw usage(`${option}: ${path} cannot be used: ${error.message}`, HINTS[option] ?? '');
  }
}

/** Versions of the API that we speak. */
const CA_VERSIONS = [1];
const TIMESTAMP_VERSIONS = [1];
const LOG_VERSIONS = [1, 2];
const ONE = { selector: 'ANY' } as const;

function chosen(config: SigningConfig, trustedRoot: TrustedRoot, now: number): SigningServices {
  const [authority] = selectServices(config.certificateAuthorities, ONE, CA_VERSIONS, now, 'CA');
  if (authority === undefined)
    throw usage('the signing config names no CA', 'Without one there is no certificate.');
  return {
    authority: new ServiceClient(parseUrl(authority.url, 'the URL of the CA')),
    ...restOf(config, 'person', now),
    trustedRoot,
    trustedBy: 'file',
  };
}

type Rest = Pick<SigningServices, 'usualIssuer' | 'timestampAuthorities' | 'artifactLogs'>;

function restOf(config: SigningConfig, namedBy: NamedIssuer['namedBy'], now: number): Rest {
  const { timestampSelection = ONE, artifactLogSelection = ONE } = config;
  const authorities = selectServices(
    config.timestampAuthorities,
    timestampSelection,
    TIMESTAMP_VERSIONS,
    now,
    'timestamp authority',
  );
  const artifactLogs = selectServices(
    config.artifactLogs,
    artifactLogSelection,
    LOG_VERSIONS,
    now,
    'log of signatures',
  );
  // The entry would stay for good, and no verifier would ever take the signature.
  if (authorities.length === 0 && artifactLogs.length > 0 && artifactLogs.every(hasNoTime))
    throw usage(
      'the signing config names a log whose entries have no time, and no timestamp authority: nothing would say when it was signed',
      'Get a signing config with a timestamp authority from the operator of the service.',
    );
  const [issuer] = selectServices(config.openidProviders, ONE, CA_VERSIONS, now, 'OpenID provider');
  return {
    usualIssuer: issuer === undefined ? undefined : { url: issuer.url, namedBy },
    timestampAuthorities: authorities.map(({ url }) => parseUrl(url, 'the URL of the timestamp authority')),
    artifactLogs,
  };
}

const hasNoTime = ({ majorApiVersion }: SigningService): boolean => majorApiVersion > 1;

/** The service is asked at the address that was given, whatever it calls itself: no token goes elsewhere. */
async function servicesAt(
  url = USUAL_URL,
  trustedRoot: string | undefined,
  now: number,
): Promise<SigningServices> {
  const authority = new ServiceClient(parseUrl(url, '--url'));
  const own =
    trustedRoot === undefined ? undefined : await readTrustedRootFile(trustedRoot, '--trusted-root');
  const config = await configOf(authority);
  const rest = restOf(movedTo(authority.url, config.signingConfig), 'service', now);
  requireSameHost(authority.url, rest);
  return {
    authority,
    ...rest,
    trustedRoot: own ?? config.trustedRoot,
    trustedBy: own === undefined ? 'service' : 'file',
  };
}

/** On the word of a service nothing goes to another one: a name in a foreign log stays there for good, and a private network is nobody's to point at. */
function requireSameHost(base: string, { timestampAuthorities, artifactLogs }: Rest): void {
  const { hostname } = new URL(base);
  const others = [
    ...timestampAuthorities,
    ...artifactLogs.map(({ url }) => parseUrl(url, 'the URL of a log')),
  ];
  const foreign = others.find((url) => url.hostname !== hostname);
  if (foreign === undefined) return;
  throw new CommandError(
    'REFUSED',
    `the service leads to another host, ${foreign.host}, where nothing goes on its word alone`,
    {
      hint: 'If the operator says that this is right: get the client trust config from them, for --trust-config FILE.',
    },
  );
}

async function configOf(service: ServiceClient): Promise<ClientTrustConfig> {
  const text = await service.trustFile('client_trust_config.json');
  if (text === undefined)
    throw new CommandError(
      'FAILED',
      'the service does not say where its other services are and whom to trust',
      {
        hint: 'It is no Mayfly. Name its client trust config with --trust-config FILE.',
      },
    );
  try {
    return parseClientTrustConfig(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError(
      'FAILED',
      `the client trust config of the service cannot be read: ${error.message}`,
      { cause: error },
    );
  }
}

/** The services that lie below the CA's URL, as they are reached from here: behind a proxy or a tunnel a service has other names than its own. */
function movedTo(base: string, config: SigningConfig): SigningConfig {
  const own = config.certificateAuthorities[0]?.url.replace(/(?<!\/)\/+$/, '');
  const moved = (service: SigningService): SigningService =>
    own !== undefined && `${service.url}/`.startsWith(`${own}/`)
      ? { ...service, url: `${base}${service.url.slice(own.length)}` }
      : service;
  return {
    ...config,
    timestampAuthorities: config.timestampAuthorities.map(moved),
    artifactLogs: config.artifactLogs.map(moved),
  };
}

const usage = (sentence: string, hint: string): CommandError => new CommandError('USAGE', sentence, { hint });
