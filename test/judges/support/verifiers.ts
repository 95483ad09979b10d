/** Verifiers of others, each asked the same: is this bundle of this artifact from this identity, by this trusted root? */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { runMayfly } from '../../support/mayfly.ts';
import { projectRoot } from '../../support/project-root.ts';
import { findClient, type StockClientName } from './stock-clients.ts';

const run = promisify(execFile);

/** What is asked. Paths of files. */
export interface Question {
  readonly trustedRoot: string;
  readonly bundle: string;
  readonly artifact: string;
  readonly identity: string;
  readonly issuer: string;
}

/** Which verifiers there are. */
export type VerifierName = 'mayfly' | 'sigstore-js' | 'sigstore-python' | 'sigstore-go' | 'cosign';

/** One that is here. */
export interface StockVerifier {
  readonly name: VerifierName;
  /** `verified`, or the reason of the refusal in its words. */
  ask(question: Question): Promise<string>;
}

/** `verified`, or what sigstore-js says; it runs in this process, and demands a timestamp. */
async function askJs(question: Question): Promise<string> {
  try {
    const root = TrustedRoot.fromJSON(JSON.parse(await readFile(question.trustedRoot, 'utf8')));
    const bundle = bundleFromJSON(JSON.parse(await readFile(question.bundle, 'utf8')));
    const thresholds = { ctlogThreshold: 1, tlogThreshold: 0, timestampThreshold: 1 };
    new Verifier(toTrustMaterial(root), thresholds).verify(
      toSignedEntity(bundle, await readFile(question.artifact)),
      { subjectAlternativeName: question.identity, extensions: { issuer: question.issuer } },
    );
    return 'verified';
  } catch (error) {
    return String(error);
  }
}

/** `verified`, or `refused: ` with the steps that failed; it demands a timestamp, as the others do. */
async function askMayfly(question: Question): Promise<string> {
  const { trustedRoot, bundle, artifact, identity, issuer } = question;
  const words = ['verify', 'bundle', bundle, '--artifact', artifact, '--trusted-root', trustedRoot];
  const expected = [
    '--identity',
    identity,
    '--issuer',
    issuer,
    '--min-timestamps',
    '1',
    '--min-entries',
    '0',
  ];
  const { code, stdout } = await runMayfly([...words, ...expected, '--json'], { byLauncher: 'built' });
  if (code === 0) return 'verified';
  const { steps = [], error } = JSON.parse(stdout) as {
    steps?: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
    error?: { readonly message: string };
  };
  const failed = steps.filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);
  return `refused: ${[...failed, ...(error === undefined ? [] : [error.message])].join('; ')}`;
}

/** The last word of a program: what it printed, or why it failed. */
async function outcomeOf(program: string, words: readonly string[], home?: string): Promise<string> {
  const env = { PATH: process.env['PATH'], HOME: home };
  const failed = (error: unknown) => error as { stdout: string; stderr: string };
  const { stdout, stderr } = await run(program, words, home === undefined ? {} : { env }).catch(failed);
  return `${stdout}${stderr}`.trim();
}

const PROGRAMS: Readonly<
  Record<
    Exclude<VerifierName, 'mayfly' | 'sigstore-js'>,
    { readonly client: StockClientName; ask(program: string, question: Question): Promise<string> }
  >
> = {
  'sigstore-python': {
    client: 'sigstore-python-4.5.1',
    ask: (python, { trustedRoot, bundle, artifact, identity, issuer }) => {
      const script = join(projectRoot, 'test/judges/sigstore-python/judge.py');
      return outcomeOf(python, [script, 'verify', trustedRoot, bundle, artifact, identity, issuer]);
    },
  },
  'sigstore-go': {
    client: 'sigstore-go-1.2.2',
    ask: (program, { trustedRoot, bundle, artifact, identity, issuer }) =>
      outcomeOf(program, ['verify', trustedRoot, bundle, artifact, identity, issuer, 'timestamp']),
  },
  cosign: {
    client: 'cosign-3.1.2',
    ask: async (cosign, { trustedRoot, bundle, artifact, identity, issuer }) => {
      const home = await mkdtemp(join(tmpdir(), 'mayfly-cosign-'));
      try {
        const words = [
          ...['verify-blob', '--bundle', bundle, '--trusted-root', trustedRoot],
          ...['--insecure-ignore-tlog', '--use-signed-timestamps'],
          ...['--certificate-identity', identity, '--certificate-oidc-issuer', issuer, artifact],
        ];
        const outcome = await outcomeOf(cosign, words, home);
        return outcome.endsWith('Verified OK') ? 'verified' : outcome;
      } finally {
        await rm(home, { recursive: true, force: true });
      }
    },
  },
};

/** Our own, and those that are here, installed when they can be; says on the console which are not. */
export async function stockVerifiers(): Promise<readonly StockVerifier[]> {
  const found: StockVerifier[] = [
    { name: 'mayfly', ask: askMayfly },
    { name: 'sigstore-js', ask: askJs },
  ];
  for (const [name, judge] of Object.entries(PROGRAMS)) {
    const there = await findClient(judge.client);
    if ('lacking' in there) console.warn(`      NOT TESTED: ${there.lacking}`);
    else found.push({ name: name as VerifierName, ask: (question) => judge.ask(there.program, question) });
  }
  return found;
}
