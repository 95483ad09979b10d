/**
 * Which proxy the environment names for a URL, by the rules that Go and curl share.
 *
 * Not undici's `EnvHttpProxyAgent`, which was tried (7.30.2). It does not say which proxy a request went through, and an
 * error has to name the proxy. In `NO_PROXY` it knows no ranges of addresses (`10.0.0.0/8`), takes the end of a bare IPv6
 * address for a port, takes `*` only where it stands alone, and fits neither `bücher.example` nor `example.com.`. It also
 * asks the proxy for `localhost` and `127.0.0.1`.
 */
import { BlockList, isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { isLocalToMachine } from '../../core/loopback.ts';
import { DefinitionError } from '../core/definition-error.ts';

/** Environment variables by their names. */
export type EnvironmentVariables = Readonly<Record<string, string | undefined>>;

/** The proxies that are named, and which of them is for a URL; undefined where none is to be asked. */
export interface Proxies {
  readonly all: readonly URL[];
  readonly for: (url: URL) => URL | undefined;
}

/** What `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` of `environment` say, in small letters first; the own machine is never
 * asked through a proxy. Throws {@link DefinitionError} for a proxy that cannot be used. */
export function proxiesOf(environment: EnvironmentVariables): Proxies {
  const read = (name: string): string => environment[name.toLowerCase()] ?? environment[name] ?? '';
  const http = proxyUrl('HTTP_PROXY', read('HTTP_PROXY'));
  const https = proxyUrl('HTTPS_PROXY', read('HTTPS_PROXY')) ?? http;
  const spared = (environment['no_proxy'] || environment['NO_PROXY'] || '')
    .toLowerCase()
    .split(/[,\s]+/)
    .filter(Boolean)
    .map(exceptionOf);
  return {
    all: [http, https].filter((proxy) => proxy !== undefined),
    for: (url) => {
      const target = targetOf(url);
      if (isLocalToMachine(url.hostname) || spared.some((covers) => covers(target))) return undefined;
      return url.protocol === 'https:' ? https : http;
    },
  };
}

/** A proxy's host and port, for messages: the rest of its URL may hold a password. */
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

/** What a URL leads to. */
interface Target {
  /** A name without the dot at its end, or an address without brackets. */
  readonly host: string;
  /** The kind of address; undefined for a name. */
  readonly family: Family | undefined;
  readonly port: number;
}

type Family = 'ipv4' | 'ipv6';

const familyOf = (text: string): Family | undefined =>
  (({ 4: 'ipv4', 6: 'ipv6' }) as const)[isIP(text) as 4 | 6];

function targetOf(url: URL): Target {
  const host = url.hostname.replace(/^\[|\]$|\.$/g, '');
  return { host, family: familyOf(host), port: portOf(url) };
}

type Exception = (target: Target) => boolean;

/** One word of NO_PROXY: `*`, a range of addresses (CIDR), an address, or a name, which covers all below it too; the last
 * two with or without a port, behind which an IPv6 address needs brackets. */
function exceptionOf(word: string): Exception {
  if (word === '*') return () => true;
  const range = rangeOf(word);
  if (range !== undefined) return range;
  const { v6, host, port } = WORD.exec(word)?.groups ?? { host: word };
  const name = v6 ?? host ?? '';
  const covers = familyOf(name) === undefined ? nameException(name) : addressException(name);
  return (target) => (port === undefined || Number(port) === target.port) && covers(target);
}

const WORD = /^(?:\[(?<v6>[^\]]*)\]|(?<host>[^:]*))(?::(?<port>\d+))?$/;

function rangeOf(word: string): Exception | undefined {
  const { address = '', prefix = '' } = /^(?<address>[^/]+)\/(?<prefix>\d{1,3})$/.exec(word)?.groups ?? {};
  const family = familyOf(address);
  if (family === undefined || Number(prefix) > (family === 'ipv4' ? 32 : 128)) return undefined;
  const list = new BlockList();
  list.addSubnet(address, Number(prefix), family);
  return listed(list);
}

function addressException(address: string): Exception {
  const list = new BlockList();
  list.addAddress(address, familyOf(address));
  return listed(list);
}

const listed =
  (list: BlockList): Exception =>
  ({ host, family }) =>
    family !== undefined && list.check(host, family);

/** A leading dot is as good as none, as for curl; Go takes it for "only what is below". */
function nameException(text: string): Exception {
  const written = text.replace(/^\*?\./, '').replace(/\.$/, '');
  const name = domainToASCII(written) || written;
  return ({ host, family }) =>
    family === undefined && name !== '' && (host === name || host.endsWith(`.${name}`));
}

const portOf = ({ port, protocol }: URL): number => Number(port) || (protocol === 'https:' ? 443 : 80);
