/** What Sigstore's clients fetch through TUF: the files of today, and beside them one file for each certificate and key, which tools of before look for by name or by
 * `custom.sigstore.usage` (Kyverno, policy-controller, cosign 2). */
import { equalBytes, utf8Text } from '../../core/bytes.ts';
import { encodePem } from '../../core/pem.ts';
import { encodeSigningConfig, type SigningConfig } from '../format/signing-config.ts';
import {
  encodeTrustedRoot,
  parseTrustedRoot,
  type TrustedAuthority,
  type TrustedLogInstance,
  type TrustedRoot,
  type Window,
} from '../format/trusted-root.ts';
import { targetBytes, type Repository } from './repository.ts';
import type { TargetContent, TargetContents } from './target-contents.ts';

/** The targets of an instance. In `root` what is in force stands in front: it gets the names without a number that some tools know alone. `now` in milliseconds
 * since the epoch: what has ended by then is in `trusted_root.json` alone, as in an export. */
export function sigstoreTargets(root: TrustedRoot, signing: SigningConfig, now: number): TargetContents {
  return new Map([
    ['trusted_root.json', { text: encodeTrustedRoot(root) }],
    ['signing_config.v0.2.json', { text: encodeSigningConfig(signing) }],
    ...olderTargets(root, now),
  ]);
}

/** The `trusted_root.json` among the targets of a repository that is served; undefined where it has none. Throws FormatError. */
export function publishedRoot(repository: Repository): TrustedRoot | undefined {
  const bytes = targetBytes(repository).get('trusted_root.json');
  return bytes && parseTrustedRoot(utf8Text(bytes));
}

/** Those for tools that do not read `trusted_root.json`. They follow from `root` and the time alone. */
export function olderTargets(root: TrustedRoot, now: number): TargetContents {
  const counts = ({ window: { end } }: { readonly window: Window }): boolean =>
    end === undefined || now <= end;
  return new Map([
    ...authorityTargets(root.certificateAuthorities.filter(counts)),
    ...logTargets('ctfe', 'CTFE', root.certificateLogs.filter(counts)),
    ...logTargets('rekor', 'Rekor', root.artifactLogs.filter(counts)),
    ...timestampTargets(root.timestampAuthorities.filter(counts)),
  ]);
}

type Named = readonly [name: string, content: TargetContent];

/** Of everything here. There is `Expired`, too, and cosign 2 and policy-controller do not ask for it where they read CAs: what ended because its
 * key was stolen would go on counting, for all that it ever signs. */
const STATUS = 'Active';

const pem = (der: Uint8Array): string => encodePem('CERTIFICATE', der);

/** One file for each root and each intermediate, numbered in the order of the trusted root. */
function authorityTargets(authorities: readonly TrustedAuthority[]): Named[] {
  const of = (chainPart: (chain: readonly Uint8Array[]) => readonly Uint8Array[], name: string): Named[] =>
    distinct(authorities.flatMap(({ chain }) => chainPart(chain))).map((der, index) => {
      const user = authorities.find(({ chain }) => chain.some((one) => equalBytes(one, der)));
      const usage = { usage: 'Fulcio', status: STATUS, uri: user?.uri ?? '' } as const;
      return [`${name}_v${index + 1}.crt.pem`, { text: pem(der), usage }];
    });
  return [
    ...of((chain) => chain.slice(-1), 'fulcio'),
    ...of((chain) => chain.slice(0, -1), 'fulcio_intermediate'),
  ];
}

const distinct = (certificates: readonly Uint8Array[]): Uint8Array[] =>
  certificates.filter((der, index) => certificates.findIndex((one) => equalBytes(one, der)) === index);

/** `ctfe.pub`, `ctfe_2.pub`, …: one key a file, as cosign reads one. */
const logTargets = (name: string, usage: 'CTFE' | 'Rekor', logs: readonly TrustedLogInstance[]): Named[] =>
  logs.map(({ publicKey, baseUrl }, index) => [
    index === 0 ? `${name}.pub` : `${name}_${index + 1}.pub`,
    {
      text: encodePem('PUBLIC KEY', publicKey),
      usage: { usage, status: STATUS, uri: baseUrl },
    },
  ]);

/** Of one authority alone: cosign 2 refuses the certificates of two. */
function timestampTargets([first]: readonly TrustedAuthority[]): Named[] {
  if (first === undefined) return [];
  const { chain, uri } = first;
  const usage = { usage: 'TSA', status: STATUS, uri } as const;
  const [leaf, ...above] = chain;
  const root = above.pop() ?? leaf;
  const named = [
    ['tsa_leaf.crt.pem', leaf] as const,
    ...above.map((der, index) => [`tsa_intermediate_${index}.crt.pem`, der] as const),
    ['tsa_root.crt.pem', root] as const,
  ];
  return named.flatMap(([name, der]) =>
    der === undefined ? [] : [[name, { text: pem(der), usage }] as const],
  );
}
