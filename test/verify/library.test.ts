import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { webcrypto } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { encodeBundle } from '../../bundle/format/bundle-json.ts';
import { encodeTrustedRoot } from '../../trust/format/trusted-root.ts';
import * as library from '../../verify/library.ts';
import { platformCrypto } from '../../cli/verify/platform-crypto.ts';
import { assetPath, CONFORMANCE_CASES, trustedRootPath } from '../bundle/support/conformance.ts';
import { decodePem } from '../../core/pem.ts';
import { projectRoot } from '../support/project-root.ts';
import { IDENTITY, ISSUER } from '../support/verify-world.ts';
import { ARTIFACT, judged, messageBundle, WORLD } from './bundle/support/bundle-world.ts';

const isBuilt = import.meta.url.endsWith('.js');
const extension = isBuilt ? 'js' : 'ts';
const urlOf = (path: string): string => new URL(`../../${path}.${extension}`, import.meta.url).href;

describe('mayfly/verify', () => {
  it('has one call that verifies, and no part of it', () => {
    const calls = Object.entries(library).filter(([, value]) => typeof value === 'function');
    expect(calls.map(([name]) => name).sort()).to.deep.equal([
      ...['VerifyError', 'artifactOfBytes', 'artifactOfDigests', 'exactly', 'fulcioExtensionOf', 'matching'],
      ...['parseTrustedRoot', 'parseWitnessPolicy', 'trustOf', 'verifyBundle', 'webCrypto'],
    ]);
  });

  it('works as docs/verify.md shows it', async () => {
    const [example] =
      /```ts\n(import \{ readFile \}.*?)```/s
        .exec(readFileSync(join(projectRoot, 'docs/verify.md'), 'utf8'))
        ?.slice(1) ?? [];
    if (example === undefined) throw new Error('no example');
    const cwd = await mkdtemp(join(tmpdir(), 'mayfly-library-'));
    try {
      await writeFile(join(cwd, 'app'), ARTIFACT);
      await writeFile(join(cwd, 'app.sigstore.json'), encodeBundle(messageBundle()));
      await writeFile(join(cwd, 'trusted_root.json'), encodeTrustedRoot(WORLD.trustedRoot));
      const run = async (identity: string): Promise<void> => {
        const text = example
          .replace("'mayfly/verify'", JSON.stringify(urlOf('verify/library')))
          .replace("'mayfly/verify/node'", JSON.stringify(urlOf('cli/verify/platform-crypto')))
          .replaceAll(/readFile\('/g, `readFile(${JSON.stringify(`${cwd}/`)} + '`)
          .replace('you@example.com', identity)
          .replace('https://accounts.example.com', ISSUER)
          .replace(/console\.log\(/, 'globalThis.said = (');
        const file = join(cwd, `${identity}.mjs`);
        await writeFile(file, text);
        await import(pathToFileURL(file).href);
      };
      await run(IDENTITY);
      expect((globalThis as unknown as { said: string }).said).to.equal(
        `signed by ${IDENTITY} at 2026-11-22T10:01:00.000Z, 2026-11-22T10:01:00.000Z`,
      );
      const error = await run('other@example.com').catch((found: unknown) => found);
      expect((error as Error).message).to.match(/^policy: the identity is /);
    } finally {
      await rm(cwd, { recursive: true });
    }
  });

  it('verifies with WebCrypto as with OpenSSL', async () => {
    const crypto = library.webCrypto(webcrypto.subtle as SubtleCrypto, platformCrypto.sha256);
    const trust = library.trustOf(WORLD.trustedRoot, crypto);
    const artifact = library.artifactOfBytes(ARTIFACT, crypto);
    expect(await judged(messageBundle(), { trust, artifact })).to.equal('ok');
    const wrong = library.artifactOfBytes(Buffer.from('x'), crypto);
    expect(await judged(messageBundle(), { trust, artifact: wrong })).to.match(/^artifact \| signature: /);
    for (const one of CONFORMANCE_CASES) {
      let root;
      let spki;
      try {
        root = library.parseTrustedRoot(readFileSync(trustedRootPath(one), 'utf8'));
        spki = one.key === null ? undefined : decodePem(readFileSync(assetPath(one.key), 'utf8'))[0]?.bytes;
      } catch {
        continue;
      }
      const { ok } = await library.verifyBundle({
        bundle: readFileSync(assetPath(one.bundle)),
        artifact: library.artifactOfBytes(readFileSync(assetPath(one.artifact)), crypto),
        trust: library.trustOf(root, crypto),
        signer:
          spki === undefined
            ? {
                type: 'certificate',
                identity: { identity: library.exactly(one.identity), issuer: library.exactly(one.issuer) },
              }
            : { type: 'key', spki },
      });
      expect(ok, one.name).to.equal(one.expect === 'pass');
    }
  });

  it('takes signatures that are none for a no', async () => {
    const crypto = library.webCrypto(webcrypto.subtle as SubtleCrypto, platformCrypto.sha256);
    const scheme = { keyType: 'ec', hash: 'sha256' } as const;
    for (const signature of [
      '',
      '3000',
      '300602010102',
      '3006020101020101',
      '30820000',
      `3026022100${'ff'.repeat(32)}020101`,
    ])
      for (const one of [crypto, platformCrypto])
        expect(await one.verify(scheme, WORLD.first.spki, ARTIFACT, Buffer.from(signature, 'hex'))).to.equal(
          false,
        );
    expect(await crypto.verify(scheme, Buffer.from('x'), ARTIFACT, Buffer.alloc(8))).to.equal(false);
    expect(
      await crypto.verify({ keyType: 'rsa', hash: 'sha256' }, WORLD.first.spki, ARTIFACT, Buffer.alloc(8)),
    ).to.equal(false);
  });
});
