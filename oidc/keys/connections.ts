/** Which connection a document comes over: straight, or through the proxy that the environment names. */
import { getCACertificates } from 'node:tls';
import { Agent, EnvHttpProxyAgent } from 'undici';
import type { Dispatcher } from 'undici';
import { DefinitionError } from '../definition-error.ts';
import { publicConnector, refuseNearby } from './public-connector.ts';

/** Environment variables by their names. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Connections to issuers that are trusted in one way. */
export interface Connections {
  /** Those for `url`. With `publicOnly` they reach public addresses only, and a host that says by its name that it has
   * none throws {@link IssuerFault}; what a proxy makes of other names is the proxy's to judge. */
  to(url: URL, publicOnly: boolean): Dispatcher;
  close(): Promise<void>;
}

const PER_HOST = { connections: 4 };

/** Connections that trust what Node trusts (NODE_EXTRA_CA_CERTS too) and, beside that, the certificates of `caCert`
 * (PEM). `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` of `environment` count, in small letters first; the own machine is
 * never asked through a proxy. Throws {@link DefinitionError} for a proxy that cannot be used. */
export function openConnections(caCert: string | undefined, environment: Environment): Connections {
  const trust = caCert === undefined ? {} : { ca: [...getCACertificates('default'), caCert] };
  const tls = { ...trust, minVersion: 'TLSv1.2' } as const;
  const proxy = proxyOf(environment);
  const anywhere = new Agent({ ...PER_HOST, connect: tls });
  const publicly = new Agent({ ...PER_HOST, connect: publicConnector(tls) });
  // Plain HTTP is handed to the proxy as it is: most refuse a tunnel to anything but port 443.
  const byProxy = (connect: typeof tls | ReturnType<typeof publicConnector>): Dispatcher =>
    new EnvHttpProxyAgent({ ...PER_HOST, ...proxy, connect, requestTls: tls, proxyTunnel: false });
  const anywhereByProxy = proxy === undefined ? anywhere : byProxy(tls);
  const publiclyByProxy = proxy === undefined ? publicly : byProxy(publicConnector(tls));
  return {
    to: (url, publicOnly) => {
      if (publicOnly) refuseNearby(url.hostname);
      if (isLoopback(url.hostname)) return publicOnly ? publicly : anywhere;
      return publicOnly ? publiclyByProxy : anywhereByProxy;
    },
    close: async () => {
      const all = new Set([anywhere, publicly, anywhereByProxy, publiclyByProxy]);
      await Promise.all([...all].map((agent) => agent.destroy()));
    },
  };
}

interface ProxySettings {
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly noProxy: string;
}

function proxyOf(environment: Environment): ProxySettings | undefined {
  const read = (name: string): string => environment[name.toLowerCase()] ?? environment[name] ?? '';
  const httpProxy = proxyUrl('HTTP_PROXY', read('HTTP_PROXY'));
  const httpsProxy = proxyUrl('HTTPS_PROXY', read('HTTPS_PROXY'));
  if (httpProxy === '' && httpsProxy === '') return undefined;
  return { httpProxy, httpsProxy, noProxy: read('NO_PROXY') };
}

// Without a scheme, as curl and Go take it too. The value is not repeated: it may hold a password.
function proxyUrl(name: string, text: string): string {
  if (text === '') return '';
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url !== null && ['http:', 'https:'].includes(url.protocol)) return url.href;
  throw new DefinitionError(
    'FIELD_INVALID',
    `the environment variable ${name} is not the URL of an HTTP proxy`,
    {
      hint: 'Write it like http://proxy.example:3128, or unset it.',
      metadata: { issuer: '', field: name },
    },
  );
}

const isLoopback = (hostname: string): boolean =>
  /^(?:.+\.)?localhost$|^\[::1\]$|^127(?:\.\d+){3}$/.test(hostname);
