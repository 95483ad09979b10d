/** What Kubernetes mounts into a pod: the token with which it speaks to the API of its cluster, and certificates. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { decodePem } from '../../core/pem.ts';
import { claim } from '../core/claims.ts';
import type { Claims } from '../core/claims.ts';
import { IssuerFault } from './issuer-fault.ts';

const TOKEN_HINT =
  'The file is mounted by Kubernetes. Check automountServiceAccountToken and who may read it.';

/** The token in the file `path`; undefined when there is no such file. Throws {@link IssuerFault}. */
export async function readClusterToken(path: string): Promise<string | undefined> {
  const text = await readIfThere(path, 'unable to read cluster token file', TOKEN_HINT);
  if (text === undefined) return undefined;
  const token = text.trim();
  if (/^[\x21-\x7e]{1,65536}$/.test(token)) return token;
  throw new IssuerFault('UNREACHABLE', `the cluster token file ${path} does not hold a token`, {
    hint: TOKEN_HINT,
  });
}

/** The `iss` of a token; undefined when it has none, as those have that are no JSON Web Tokens. Only to be compared:
 * nothing of the token was verified. */
export function issuerOf(token: string): unknown {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    return typeof payload === 'object' && payload !== null ? claim(payload as Claims, 'iss') : undefined;
  } catch {
    return undefined;
  }
}

const CA_HINT = "It holds the cluster's CA certificate as PEM; the issuer's ca-cert can take its place.";

/** The certificates in the PEM file `path`; undefined when there is no such file. Throws {@link IssuerFault}. */
export async function readClusterCertificates(path: string): Promise<string | undefined> {
  const pem = await readIfThere(path, 'unable to read cluster CA file', CA_HINT);
  if (pem === undefined || holdsCertificates(pem)) return pem;
  throw new IssuerFault('UNREACHABLE', `the cluster CA file ${path} holds no certificate`, { hint: CA_HINT });
}

async function readIfThere(path: string, complaint: string, hint: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new IssuerFault('UNREACHABLE', `${complaint}: ${path}`, { hint, cause });
  }
}

function holdsCertificates(pem: string): boolean {
  try {
    const blocks = decodePem(pem).filter(({ label }) => label === 'CERTIFICATE');
    for (const { bytes } of blocks) new X509Certificate(bytes);
    return blocks.length > 0;
  } catch {
    return false;
  }
}
