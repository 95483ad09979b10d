/** The token with which a pod speaks to the API of its cluster: who gets to see it. */
import { readFile } from 'node:fs/promises';
import { claim } from '../claims.ts';
import type { Claims } from '../claims.ts';
import { IssuerFault } from './issuer-fault.ts';

/** What the API server is called inside its cluster. */
const OWN_NAMES: readonly string[] = ['kubernetes.default.svc', 'kubernetes.default.svc.cluster.local'];

/** The token in the file `path`, if it may be sent to `url` for a document of `issuer`: over HTTPS, to the host of the
 * issuer's own URL, and to the cluster that made the token. Undefined if it may not, or there is none. Throws
 * {@link IssuerFault}. */
export async function clusterBearer(path: string, url: URL, issuer: string): Promise<string | undefined> {
  const { host, hostname } = new URL(issuer);
  if (url.protocol !== 'https:' || url.host !== host) return undefined;
  const token = await readToken(path);
  if (token === undefined) return undefined;
  return OWN_NAMES.includes(hostname) || issuerOf(token) === issuer ? token : undefined;
}

const HINT = 'The file is mounted by Kubernetes. Check automountServiceAccountToken and who may read it.';

async function readToken(path: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new IssuerFault('UNREACHABLE', `unable to read cluster token file: ${path}`, { hint: HINT, cause });
  }
  const token = text.trim();
  if (/^[\x21-\x7e]{1,65536}$/.test(token)) return token;
  throw new IssuerFault('UNREACHABLE', `the cluster token file ${path} does not hold a token`, {
    hint: HINT,
  });
}

/** Only compared: nothing is believed because of it. */
function issuerOf(token: string): unknown {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    return typeof payload === 'object' && payload !== null ? claim(payload as Claims, 'iss') : undefined;
  } catch {
    return undefined;
  }
}
