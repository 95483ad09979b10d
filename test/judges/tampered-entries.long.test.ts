/** Bundles with one wrong entry, which ours refuses one and all, before the verifiers of others: each refuses them, too, but for those that stand here and in docs/compatibility.md. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { expect } from 'chai';
import { encodeBundle } from '../../bundle/format/bundle-json.ts';
import { encodeTrustedRoot } from '../../trust/format/trusted-root.ts';
import { projectRoot } from '../support/project-root.ts';
import { IDENTITY, ISSUER } from '../support/verify-world.ts';
import { ARTIFACT } from '../verify/bundle/support/bundle-world.ts';
import {
  TAMPERED,
  TRUSTED,
  UNTAMPERED,
  type ErringVerifier,
} from '../verify/bundle/support/tampered-entries.ts';
import { needClient } from './support/stock-clients.ts';
import type { Question } from './support/verifiers.ts';

const run = promisify(execFile);

/** The right ones first. */
const BUNDLES = [
  ...Object.entries(UNTAMPERED).map(([what, bundle]) => ({ what, bundle, acceptedBy: undefined })),
  ...TAMPERED,
];

describe('judge: entries that are not those of the signature', function () {
  this.timeout(300_000);
  let scratch: string;
  let questions: readonly Question[];

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-tampered-'));
    const at = (name: string): string => join(scratch, name);
    const [trustedRoot, artifact] = [at('trusted_root.json'), at('artifact')];
    await writeFile(trustedRoot, encodeTrustedRoot(TRUSTED));
    await writeFile(artifact, ARTIFACT);
    questions = BUNDLES.map((_, i) => ({
      trustedRoot,
      artifact,
      bundle: at(`${i}.json`),
      identity: IDENTITY,
      issuer: ISSUER,
    }));
    for (const [i, { bundle }] of BUNDLES.entries()) await writeFile(at(`${i}.json`), encodeBundle(bundle));
    await writeFile(at('questions.json'), JSON.stringify(questions));
  });
  after(() => rm(scratch, { recursive: true, force: true }));

  /** What a verifier says of each: `verified` of the right ones and of those that it is known to accept, and else why not. */
  function expectVerdicts(name: ErringVerifier, verdicts: readonly string[]): void {
    const accepted = BUNDLES.filter((_, i) => verdicts[i] === 'verified').map(({ what }) => what);
    const known = BUNDLES.filter(({ acceptedBy }) => acceptedBy?.includes(name) ?? true).map(
      ({ what }) => what,
    );
    expect(accepted, verdicts.join('\n')).to.deep.equal(known);
    expect(verdicts).to.have.length(BUNDLES.length);
  }

  /** One that answers the whole file of questions. */
  async function askAll(program: string, ...words: readonly string[]): Promise<readonly string[]> {
    const file = join(scratch, 'questions.json');
    const { stdout } = await run(program, [...words, 'judge', file], { maxBuffer: 1 << 24 });
    return stdout.trim().split('\n');
  }

  it('sigstore-js', () => {
    const root = TrustedRoot.fromJSON(JSON.parse(encodeTrustedRoot(TRUSTED)));
    const verifier = new Verifier(toTrustMaterial(root));
    const verdict = (text: string): string => {
      try {
        const entity = toSignedEntity(bundleFromJSON(JSON.parse(text)), ARTIFACT);
        verifier.verify(entity, { subjectAlternativeName: IDENTITY, extensions: { issuer: ISSUER } });
        return 'verified';
      } catch (error) {
        return String(error);
      }
    };
    expectVerdicts(
      'sigstore-js',
      BUNDLES.map(({ bundle }) => verdict(encodeBundle(bundle))),
    );
  });

  it('sigstore-python', async function () {
    const python = await needClient(this, 'sigstore-python-4.5.1');
    const script = join(projectRoot, 'test/judges/sigstore-python/judge.py');
    expectVerdicts('sigstore-python', await askAll(python, script));
  });

  it('sigstore-go', async function () {
    expectVerdicts('sigstore-go', await askAll(await needClient(this, 'sigstore-go-1.2.2')));
  });

  it('cosign', async function () {
    const cosign = await needClient(this, 'cosign-3.1.2');
    const env = { PATH: process.env['PATH'], HOME: scratch };
    const verdict = ({ trustedRoot, bundle, artifact, identity, issuer }: Question): Promise<string> => {
      const who = ['--certificate-identity', identity, '--certificate-oidc-issuer', issuer];
      const words = ['verify-blob', '--bundle', bundle, '--trusted-root', trustedRoot, ...who, artifact];
      return run(cosign, words, { env }).then(
        () => 'verified',
        (error: unknown) => (error as { stderr: string }).stderr,
      );
    };
    expectVerdicts('cosign', await Promise.all(questions.map(verdict)));
  });
});
