/**
 * Where the server of a transit key is and how one logs in there, as the environment says: in the variables of the product's own
 * programs, and some more for the logins that those leave to an agent. No value of them is ever in a message.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isLoopbackHostname } from '../../core/loopback.ts';
import type { BackendSurroundings } from '../backend.ts';
import type { TransitReference } from '../key-reference.ts';
import { SignerError } from '../signer-error.ts';

/** How a token is got. */
export type TransitLogin =
  /** The one of the environment; `name` is the variable's. */
  | { readonly kind: 'token'; readonly name: string; readonly token: string }
  /** A file, which is read again when its token is refused or ends. */
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'approle';
      readonly mount: string;
      readonly roleId: string;
      readonly secretId: string | undefined;
      readonly secretIdFile: string | undefined;
    }
  /** By the token that Kubernetes mounts into a pod. */
  | {
      readonly kind: 'kubernetes';
      readonly mount: string;
      readonly role: string;
      readonly tokenFile: string;
    };

/** A server and a login. */
export interface TransitSettings {
  /** As a person calls it: Vault, OpenBao. */
  readonly product: string;
  /** What the names of its variables begin with. */
  readonly prefix: string;
  /** Without a slash at its end. HTTPS, or HTTP to this machine. */
  readonly address: string;
  readonly namespace: string | undefined;
  /** Files of PEM certificates: what the server's is checked against, and what we show, with its key. */
  readonly caFile: string | undefined;
  readonly certificateFile: string | undefined;
  readonly keyFile: string | undefined;
  /** The name that the server's certificate must have, where that is not its address. */
  readonly serverName: string | undefined;
  /** The proxy that is asked, as such variables say it; undefined where none is. */
  readonly proxies: Readonly<Record<string, string>> | undefined;
  readonly login: TransitLogin;
}

/** The file that Kubernetes mounts into every pod. */
const POD_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

type Environment = BackendSurroundings['env'];

/** A value of the environment by what stands behind the prefix of its name; undefined where it is empty, too. */
type Value = (name: string) => string | undefined;

/** The mount of the engine, as Sigstore has it. Throws {@link SignerError} `SIGNER_REFUSED`. */
export const engineOf = ({ TRANSIT_SECRET_ENGINE_PATH: path }: Environment): string =>
  mountOf('TRANSIT_SECRET_ENGINE_PATH', path === '' ? undefined : path, 'transit');

/** What the environment says of the server of a key. Throws {@link SignerError} `SIGNER_REFUSED`, and `SIGNER_DENIED` where it names no login. */
export function settingsOf({ product }: TransitReference, env: Environment): TransitSettings {
  // One family of names: credentials of one server are never sent to another that the other family names.
  const prefix = product === 'openbao' && isSet(env['BAO_ADDR']) ? 'BAO' : 'VAULT';
  const value: Value = (name) => {
    const found = env[`${prefix}_${name}`];
    return isSet(found) ? found : undefined;
  };
  if (/^(?:1|t|true)$/i.test(value('SKIP_VERIFY') ?? ''))
    throw refused(
      `${prefix}_SKIP_VERIFY is set`,
      `Anyone who answers would get the token. Name the CA of the server in ${prefix}_CACERT.`,
    );
  const address = addressOf(prefix, product, value);
  return {
    product: product === 'openbao' ? 'OpenBao' : 'Vault',
    prefix,
    address,
    namespace: namespaceOf(prefix, value),
    caFile: value('CACERT'),
    certificateFile: value('CLIENT_CERT'),
    keyFile: value('CLIENT_KEY'),
    serverName: value('TLS_SERVER_NAME'),
    proxies: isLoopbackHostname(new URL(address).hostname) ? undefined : proxiesOf(value, env),
    login: loginOf(prefix, value, env),
  };
}

const isSet = (value: string | undefined): value is string => value !== undefined && value !== '';

const refused = (message: string, hint: string): SignerError =>
  new SignerError('SIGNER_REFUSED', message, { hint });

function addressOf(prefix: string, product: TransitReference['product'], value: Value): string {
  const text = value('ADDR');
  const name = product === 'openbao' && prefix === 'VAULT' ? 'BAO_ADDR (or VAULT_ADDR)' : `${prefix}_ADDR`;
  if (text === undefined)
    throw refused(
      `${name} is not set`,
      'Set it to the address of the server, such as https://openbao.example.com:8200, in the environment of this process.',
    );
  const url = URL.parse(text);
  const isAddress =
    url !== null && url.username === '' && url.password === '' && url.search + url.hash === '';
  if (!isAddress || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw refused(
      `${name} is no address`,
      'It is https:// and a host, with a port where that is not 443, and without user, ? or #.',
    );
  if (url.protocol === 'http:' && !isLoopbackHostname(url.hostname))
    throw refused(
      `${name} is an address without TLS on another machine`,
      'The token would go over the network for all to read: use https://, or an agent on this machine.',
    );
  return withoutSlashes(url.href);
}

const PROXY_NAMES = ['HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy'];

function proxiesOf(value: Value, env: Environment): Readonly<Record<string, string>> {
  const own = value('PROXY_ADDR') ?? value('HTTP_PROXY');
  if (own !== undefined) return { HTTPS_PROXY: own };
  return Object.fromEntries(
    PROXY_NAMES.flatMap((name) => {
      const found = env[name];
      return isSet(found) ? [[name, found]] : [];
    }),
  );
}

/** Without those at its end. */
function withoutSlashes(text: string): string {
  let end = text.length;
  while (text[end - 1] === '/') end--;
  return text.slice(0, end);
}

/** Parts of a path: nothing that would lead out of it, or into a query. */
const PATH = /^[A-Za-z0-9_-][\w.-]*(?:\/[A-Za-z0-9_-][\w.-]*)*$/;

function mountOf(name: string, path: string | undefined, usual: string): string {
  const bare = withoutSlashes(path ?? usual).replace(/^\//, '');
  if (PATH.test(bare) && bare.length <= 256) return bare;
  throw refused(`${name} is no path of a mount`, `Write it as in the list of mounts, such as ${usual}.`);
}

function namespaceOf(prefix: string, value: Value): string | undefined {
  const namespace = value('NAMESPACE');
  return namespace === undefined ? undefined : mountOf(`${prefix}_NAMESPACE`, namespace, 'team/ca');
}

function loginOf(prefix: string, value: Value, env: Environment): TransitLogin {
  const ways: readonly (readonly [name: string, login: () => TransitLogin])[] = [
    ['TOKEN', () => ({ kind: 'token', name: `${prefix}_TOKEN`, token: value('TOKEN') ?? '' })],
    ['TOKEN_FILE', () => ({ kind: 'file', path: value('TOKEN_FILE') ?? '' })],
    ['ROLE_ID', () => appRole(prefix, value)],
    ['K8S_ROLE', () => kubernetes(prefix, value)],
  ];
  const named = ways.filter(([name]) => value(name) !== undefined);
  if (named.length > 1)
    throw refused(
      `${named.map(([name]) => `${prefix}_${name}`).join(' and ')} are set: more than one way to log in`,
      'Leave one of them in the environment.',
    );
  const [way] = named;
  if (way !== undefined) return way[1]();
  // As the product's programs and Sigstore do; what `bao login` and `vault login` leave behind.
  return { kind: 'file', path: join(isSet(env['HOME']) ? env['HOME'] : homedir(), '.vault-token') };
}

function appRole(prefix: string, value: Value): TransitLogin {
  const [secretId, secretIdFile] = [value('SECRET_ID'), value('SECRET_ID_FILE')];
  if (secretId !== undefined && secretIdFile !== undefined)
    throw refused(`${prefix}_SECRET_ID and ${prefix}_SECRET_ID_FILE are set`, 'Leave one of them.');
  const mount = mountOf(`${prefix}_APPROLE_MOUNT`, value('APPROLE_MOUNT'), 'approle');
  return { kind: 'approle', mount, roleId: value('ROLE_ID') ?? '', secretId, secretIdFile };
}

const kubernetes = (prefix: string, value: Value): TransitLogin => ({
  kind: 'kubernetes',
  mount: mountOf(`${prefix}_K8S_MOUNT`, value('K8S_MOUNT'), 'kubernetes'),
  role: value('K8S_ROLE') ?? '',
  tokenFile: value('K8S_TOKEN_FILE') ?? POD_TOKEN,
});
