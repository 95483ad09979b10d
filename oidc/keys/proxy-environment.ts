/** Which proxy the environment names for a URL. */
import { DefinitionError } from '../definition-error.ts';

/** Environment variables by their names. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The proxies that are named, and which of them is for a URL; undefined where none is to be asked. */
export interface Proxies {
  readonly all: readonly URL[];
  readonly for: (url: URL) => URL | undefined;
}

/** What `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` of `environment` say, in small letters first; the own machine is never
 * asked through a proxy. Throws {@link DefinitionError} for a proxy that cannot be used. */
export function proxiesOf(environment: Environment): Proxies {
  const read = (name: string): string => environment[name.toLowerCase()] ?? environment[name] ?? '';
  const http = proxyUrl('HTTP_PROXY', read('HTTP_PROXY'));
  const https = proxyUrl('HTTPS_PROXY', read('HTTPS_PROXY')) ?? http;
  const spared = read('NO_PROXY')
    .toLowerCase()
    .split(/[,\s]+/)
    .filter(Boolean)
    .map(exceptionOf);
  return {
    all: [http, https].filter((proxy) => proxy !== undefined),
    for: (url) => {
      if (isLoopback(url.hostname) || spared.some((covers) => covers(url))) return undefined;
      return url.protocol === 'https:' ? https : http;
    },
  };
}

/** A proxy's host and port: what may be told of it, for the rest of its URL may hold a password. */
export const addressOf = (proxy: URL): string => `${proxy.hostname}:${portOf(proxy)}`;

// The value is not repeated: it may hold a password. Without a scheme it needs a port, as people write it for curl and
// for Go: any other slip would pass for the name of a host.
function proxyUrl(name: string, text: string): URL | undefined {
  if (text === '') return undefined;
  const isShort = !text.includes('://') && /:\d+\/?$/.test(text);
  const url = isShort ? URL.parse(`http://${text}`) : URL.parse(text);
  if (url !== null && ['http:', 'https:'].includes(url.protocol)) return url;
  throw new DefinitionError(
    'FIELD_INVALID',
    `the environment variable ${name} is not the URL of an HTTP proxy`,
    {
      hint: 'Write it like http://proxy.example:3128, or unset it.',
      metadata: { issuer: '', field: name },
    },
  );
}

/** One name of NO_PROXY: it covers itself and all below it, on every port or on one. */
function exceptionOf(text: string): (url: URL) => boolean {
  const [, name = text, port] = /^(.+):(\d+)$/.exec(text) ?? [];
  if (name === '*') return () => true;
  const host = name.replace(/^\*?\./, '');
  return (url) =>
    (url.hostname === host || url.hostname.endsWith(`.${host}`)) &&
    (port === undefined || Number(port) === portOf(url));
}

const portOf = ({ port, protocol }: URL): number => Number(port) || (protocol === 'https:' ? 443 : 80);

const isLoopback = (hostname: string): boolean =>
  /^(?:.+\.)?localhost$|^\[::1\]$|^127(?:\.\d+){3}$/.test(hostname);
