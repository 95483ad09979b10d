/**
 * What verifying one bundle costs inside a running process: ours, Sigstore's own verifier for JavaScript on the same files, and the floor, which is the signatures that ours checks, alone
 * in OpenSSL. They take turns in one process, so that they see the same machine.
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { encodeBundle } from '../bundle/format/bundle-json.ts';
import { platformCrypto } from '../cli/verify/platform-crypto.ts';
import type { SignatureScheme } from '../core/signature-algorithm.ts';
import { assetPath, CONFORMANCE_CASES, trustedRootPath } from '../test/bundle/support/conformance.ts';
import { IDENTITY, ISSUER } from '../test/support/verify-world.ts';
import { ARTIFACT, messageBundle, WORLD } from '../test/verify/bundle/support/bundle-world.ts';
import { encodeTrustedRoot, parseTrustedRoot } from '../trust/format/trusted-root.ts';
import { artifactOfBytes, type BundleCrypto } from '../verify/bundle/artifact.ts';
import { trustOf } from '../verify/bundle/bundle-trust.ts';
import { verifyBundle } from '../verify/bundle/verify-bundle.ts';
import { exactly } from '../verify/identity-policy.ts';
import { median } from './process.ts';

/** Of one bundle; CPU in microseconds for each verification. */
export interface VerificationRow {
  readonly bundle: string;
  /** Signatures that ours checks. */
  readonly signatures: number;
  readonly floor: number;
  readonly ours: number;
  /** Undefined where it does not take the bundle. */
  readonly sigstoreJs: number | undefined;
}

/** A bundle, and what it is verified under. */
interface Sample {
  readonly name: string;
  readonly text: string;
  readonly trustedRoot: string;
  readonly artifact: Uint8Array;
  readonly identity: string;
  readonly issuer: string;
  /** What a stock verifier must be asked for: it does not look at the trusted root for that. */
  readonly stock: { readonly tlogThreshold: number; readonly tsaThreshold: number };
}

function ofSuite(name: string, stock: Sample['stock']): Sample {
  const one = CONFORMANCE_CASES.find((row) => row.name === name);
  if (one === undefined) throw new Error(`no case ${name}`);
  return {
    name,
    text: readFileSync(assetPath(one.bundle), 'utf8'),
    trustedRoot: readFileSync(trustedRootPath(one), 'utf8'),
    artifact: readFileSync(assetPath(one.artifact)),
    identity: one.identity,
    issuer: one.issuer,
    stock,
  };
}

const samples = (): readonly Sample[] => [
  {
    name: 'as Mayfly signs: certificate and timestamp',
    text: encodeBundle(messageBundle({ entries: [] })),
    trustedRoot: encodeTrustedRoot({ ...WORLD.trustedRoot, artifactLogs: [] }),
    artifact: ARTIFACT,
    identity: IDENTITY,
    issuer: ISSUER,
    stock: { tlogThreshold: 0, tsaThreshold: 1 },
  },
  ofSuite('happy-path-v0.3', { tlogThreshold: 1, tsaThreshold: 0 }),
  ofSuite('rekor2-happy-path', { tlogThreshold: 1, tsaThreshold: 1 }),
];

type Run = () => unknown;

/** Verifies with ours, and the checks of signatures that it made. */
async function ours(sample: Sample): Promise<{ readonly run: Run; readonly checks: readonly Run[] }> {
  const checks: Run[] = [];
  const crypto: BundleCrypto = {
    ...platformCrypto,
    verify: (scheme, spki, data, signature) => {
      checks.push(rawCheck(scheme, spki, data, signature));
      return platformCrypto.verify(scheme, spki, data, signature);
    },
  };
  const runWith = (used: BundleCrypto): Run => {
    const trust = trustOf(parseTrustedRoot(sample.trustedRoot), used);
    const { identity, issuer } = sample;
    const signer = {
      type: 'certificate',
      identity: { identity: exactly(identity), issuer: exactly(issuer) },
    } as const;
    return async () => {
      const artifact = artifactOfBytes(sample.artifact, used);
      const { ok } = await verifyBundle({ bundle: sample.text, artifact, trust, signer });
      if (!ok) throw new Error(`${sample.name} is not verified`);
    };
  };
  const recording = runWith(crypto);
  // The first also checks the CAs of the trust over each other, once and for all.
  await recording();
  checks.length = 0;
  await recording();
  return { run: runWith(platformCrypto), checks: [...checks] };
}

function rawCheck(scheme: SignatureScheme, spki: Uint8Array, data: Uint8Array, signature: Uint8Array): Run {
  const key: KeyObject = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  return () => verify(scheme.hash, data, key, signature);
}

/** With @sigstore/verify, from the text on; undefined where it refuses the bundle. */
function stock(sample: Sample): Run | undefined {
  const trust = toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(sample.trustedRoot)));
  const verifier = new Verifier(trust, { ...sample.stock, ctlogThreshold: 1 });
  const run = (): unknown =>
    verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(sample.text)), Buffer.from(sample.artifact)));
  try {
    run();
    return run;
  } catch {
    return undefined;
  }
}

/** As in a process that has run for a while: the engine compiles what is hot. */
async function warmUp(run: Run, seconds: number): Promise<void> {
  for (const end = performance.now() + 1000 * seconds; performance.now() < end;) await run();
}

const CALLS = 50;

/** CPU of one call, in microseconds. */
async function cpuOf(run: Run): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < CALLS; i++) await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / CALLS;
}

/** Measures every bundle, in that many rounds; the medians are returned. Before, each verifier runs for so many seconds. */
export async function measureVerification(
  rounds: number,
  warmup: number,
): Promise<readonly VerificationRow[]> {
  const rows: VerificationRow[] = [];
  for (const sample of samples()) {
    const { run, checks } = await ours(sample);
    const floor = (): void => {
      for (const check of checks) check();
    };
    const other = stock(sample);
    const costs: number[][] = [[], [], []];
    for (const one of [run, other]) if (one !== undefined) await warmUp(one, warmup);
    for (let round = 0; round < rounds; round++)
      for (const [at, one] of [floor, run, other].entries())
        if (one !== undefined) costs[at]?.push(await cpuOf(one));
    const [floorCost = 0, ourCost = 0, otherCost] = costs.map((list) =>
      list.length === 0 ? undefined : Math.round(median(list)),
    );
    rows.push({
      bundle: sample.name,
      signatures: checks.length,
      floor: floorCost,
      ours: ourCost,
      sigstoreJs: otherCost,
    });
  }
  return rows;
}

/** Prints the rows. */
export function printVerification(rows: readonly VerificationRow[]): void {
  console.table(
    rows.map(({ bundle, signatures, floor, ours: own, sigstoreJs }) => ({
      bundle,
      signatures,
      'floor CPU µs': floor,
      'Mayfly CPU µs': own,
      '@sigstore/verify CPU µs': sigstoreJs ?? '–',
    })),
  );
}
