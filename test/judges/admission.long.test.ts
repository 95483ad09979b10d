/**
 * The testers of admission controllers with what `mayfly trust export --for CONTROLLER` prints: they let in the image that the named identity signed, whose
 * certificate is over and whose signature is in our log of artifacts, and neither an unsigned one, nor one of somebody else, nor one whose signature is not in the log.
 */
import { execFile } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { parse, stringify } from 'yaml';
import { rfc3339 } from '../../core/clock.ts';
import { documentedBlocks, runBlock } from '../support/documented-blocks.ts';
import { signImages, type SignedImages } from './support/signed-images.ts';
import { findClient, needClient } from './support/stock-clients.ts';

const run = promisify(execFile);

interface ClusterPolicy {
  spec: {
    rules: {
      verifyImages: {
        attestors: { entries: { keyless: { roots: string; rekor: { url: string; pubkey: string } } }[] }[];
      }[];
    }[];
  };
}

interface ImageValidatingPolicy {
  spec: { attestors: { cosign: { ctlog: { url: string } } }[] };
}

interface TrustRoot {
  spec: { sigstoreKeys: { tLogs: { baseURL: string; publicKey: string }[] } };
}

/** Where nobody answers. */
const NOWHERE = 'http://127.0.0.1:9';
/** The key of a log of somebody else. */
const OTHER_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .publicKey.export({ type: 'spki', format: 'pem' })
  .toString();

describe('judges: testers of admission controllers', function () {
  this.timeout(1_800_000);
  let scene: SignedImages;

  before(async function () {
    const cosign = await needClient(this, 'cosign-2.6.3');
    const crane = await needClient(this, 'crane-0.20.6');
    scene = await signImages({ cosign, crane }, { minutesAgo: 20 });
  });
  after(() => (scene as SignedImages | undefined)?.stop());

  /** Waits until the service serves what the last import wrote, for which it looks every two seconds. */
  const servesTufOf = async (data: string): Promise<void> => {
    const signal = AbortSignal.timeout(60_000);
    for (;;) {
      const answer = await fetch(`${scene.service.url}/tuf/timestamp.json`, { signal });
      if ((await answer.text()) === (await readFile(join(data, 'tuf/timestamp.json'), 'utf8'))) return;
      await setTimeout(100);
    }
  };

  /** What the tester of policy-controller says of an image. */
  const askTester = async (tester: string, image: string, documents?: readonly string[]): Promise<string> => {
    const [first = '', second = ''] = documents ?? (await scene.documents('policy-controller'));
    const files = [
      '--policy',
      await scene.write('policy.yaml', second),
      '--trustroot',
      await scene.write('trust-root.yaml', first),
    ];
    const env = { PATH: process.env['PATH'], HOME: scene.service.scratch };
    return run(tester, [...files, '--image', image], { env }).then(
      () => 'let in',
      (error: unknown) => (error as { stderr: string }).stderr,
    );
  };

  it('policy-controller lets in what the identity signed, and nothing else', async function () {
    const tester = await needClient(this, 'policy-tester-0.13.1');
    const judged = (image: string): Promise<string> => askTester(tester, image);
    expect(await judged(scene.images.signed)).to.equal('let in');
    for (const image of [scene.images.unlogged, scene.images.forged])
      expect(await judged(image)).to.match(/no matching signatures/);
    expect(await judged(scene.images.unsigned)).to.match(/no signatures found|no matching signatures/);
    expect(await judged(scene.images.foreign)).to.match(
      /none of the expected identities matched|no matching signatures/,
    );
  });

  /** What Kyverno's command line says of a pod with these images. */
  const askKyverno = async (
    policy: string,
    lists: Readonly<Record<string, readonly string[]>>,
  ): Promise<string> => {
    const program = await findClient('kyverno-1.18.2');
    if ('lacking' in program) throw new Error(program.lacking);
    const spec = Object.fromEntries(
      Object.entries(lists).map(([list, of]) => [
        list,
        of.map((image, index) => ({ name: `c${index}`, image })),
      ]),
    );
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'pod', namespace: 'default' }, spec };
    const files = [
      await scene.write('kyverno.yaml', policy),
      '--resource',
      await scene.write('pod.json', JSON.stringify(pod)),
    ];
    const env = { PATH: process.env['PATH'], HOME: scene.service.scratch };
    const args = ['apply', ...files, '--registry', '--remove-color', '--detailed-results'];
    const ask = (): Promise<string> =>
      run(program.program, args, { env }).then(
        ({ stdout }) =>
          /pass: [1-9]\d*, fail: 0, warn: 0, error: 0, skip: 0/.test(stdout) ? 'let in' : stdout,
        (error: unknown) => `${(error as { stdout: string }).stdout}${(error as { stderr: string }).stderr}`,
      );
    // Kyverno 1.18.2 writes its map of images from several goroutines, and is ended by Go's runtime now and then.
    let answer = await ask();
    for (let again = 0; again < 5 && answer.includes('fatal error: concurrent map'); again++)
      answer = await ask();
    return answer;
  };

  for (const [index, kind] of ['ClusterPolicy', 'ImageValidatingPolicy'].entries())
    it(`Kyverno with the ${kind} lets in what the identity signed, and nothing else, whatever list it stands in`, async function () {
      await needClient(this, 'kyverno-1.18.2');
      const policy = (await scene.documents('kyverno'))[index] ?? '';
      expect(policy).to.include(`kind: ${kind}`);
      const { signed, unlogged, forged, unsigned, foreign } = scene.images;
      expect(await askKyverno(policy, { containers: [signed] })).to.equal('let in');
      for (const image of [unlogged, forged])
        expect(await askKyverno(policy, { containers: [image] }), image).to.match(/(fail|error): [1-9]/);
      for (const image of [unsigned, foreign]) {
        expect(await askKyverno(policy, { containers: [image] })).to.match(/(fail|error): [1-9]/);
        expect(await askKyverno(policy, { containers: [signed, image] })).to.match(/(fail|error): [1-9]/);
        expect(await askKyverno(policy, { containers: [signed], initContainers: [image] })).to.match(
          /(fail|error): [1-9]/,
        );
      }
      expect(await askKyverno(policy, { containers: [signed], initContainers: [signed] })).to.equal('let in');
    });

  /** What each says when what it is given of the log of artifacts has other values. The key the ImageValidatingPolicy, which comes last, has from the TUF repository. */
  async function withLog(tester: string, { url, key }: { url?: string; key?: string }): Promise<string[]> {
    const { signed } = scene.images;
    const [trust = '', policy = ''] = await scene.documents('policy-controller');
    const root = parse(trust) as TrustRoot;
    for (const log of root.spec.sigstoreKeys.tLogs) {
      if (url !== undefined) log.baseURL = url;
      if (key !== undefined) log.publicKey = Buffer.from(key).toString('base64');
    }
    const moved = url === undefined ? policy : policy.replaceAll(`url: ${scene.service.url}`, `url: ${url}`);
    const [cluster = '', validating = ''] = await scene.documents('kyverno');
    const one = parse(cluster) as ClusterPolicy;
    for (const { verifyImages } of one.spec.rules)
      for (const { attestors } of verifyImages)
        for (const { keyless } of attestors.flatMap(({ entries }) => entries))
          keyless.rekor = { url: url ?? keyless.rekor.url, pubkey: key ?? keyless.rekor.pubkey };
    const other = parse(validating) as ImageValidatingPolicy;
    for (const { cosign } of other.spec.attestors) cosign.ctlog.url = url ?? cosign.ctlog.url;
    const answers = [
      await askTester(tester, signed, [stringify(root), moved]),
      await askKyverno(stringify(one), { containers: [signed] }),
      await askKyverno(stringify(other), { containers: [signed] }),
    ];
    return answers.map((answer) => (answer === 'let in' ? answer : 'refused'));
  }

  it('all verify the entry by the key of the log, and ask nobody', async function () {
    await needClient(this, 'kyverno-1.18.2');
    const tester = await needClient(this, 'policy-tester-0.13.1');
    expect(await withLog(tester, { url: NOWHERE })).to.deep.equal(['let in', 'let in', 'let in']);
    expect(await withLog(tester, { key: OTHER_KEY })).to.deep.equal(['refused', 'refused', 'let in']);
  });

  it('all take a timestamp in the place of an entry where none is demanded, with one and without', async function () {
    await needClient(this, 'kyverno-1.18.2');
    const tester = await needClient(this, 'policy-tester-0.13.1');
    const forTester = await scene.documents('policy-controller', '--allow-unlogged');
    const forKyverno = await scene.documents('kyverno', '--allow-unlogged');
    expect(forKyverno).to.have.length(2);
    for (const [name, verdict] of [
      ['signed', 'let in'],
      ['unlogged', 'let in'],
      ['unsigned', 'refused'],
      ['foreign', 'refused'],
    ] as const) {
      const image = scene.images[name];
      const answers = [await askTester(tester, image, forTester)];
      for (const policy of forKyverno) answers.push(await askKyverno(policy, { containers: [image] }));
      const said = answers.map((answer) => (answer === 'let in' ? answer : 'refused'));
      expect(said, name).to.deep.equal([verdict, verdict, verdict]);
    }
  });

  it('all read the older form that cosign 3 writes when it is asked to, and of bundles the ImageValidatingPolicy alone does', async function () {
    const cosign = await needClient(this, 'cosign-3.1.2');
    await needClient(this, 'kyverno-1.18.2');
    const tester = await needClient(this, 'policy-tester-0.13.1');
    const forms = await documentedBlocks('admission.md', 'Images that verify later');
    expect(forms).to.have.length(2);
    const token = await scene.service.tokenFile();
    const said: Record<string, readonly string[]> = {};
    for (const [index, form] of ['older', 'bundle'].entries()) {
      const image = await scene.push(form);
      await runBlock(forms[index] ?? '', scene.service.scratch, {
        'cosign ': `${cosign} `,
        'https://ca.example.com': scene.service.url,
        'https://login.example.com': scene.service.issuerUrl,
        'registry.example.com/app@sha256:DIGEST': `--allow-http-registry ${image}`,
        'token.txt': token,
      });
      const answers = [await askTester(tester, image)];
      for (const policy of await scene.documents('kyverno'))
        answers.push(await askKyverno(policy, { containers: [image] }));
      said[form] = answers.map((answer) => (answer === 'let in' ? answer : 'refused'));
    }
    expect(said).to.deep.equal({
      older: ['let in', 'let in', 'let in'],
      bundle: ['refused', 'refused', 'let in'],
    });
  });

  it('Kyverno refuses what an issuing CA signed that has ended, although the signature brings its chain', async function () {
    await needClient(this, 'kyverno-1.18.2');
    const { data } = scene.service;
    const pems = (await readFile(join(data, 'ca/chain.pem'), 'utf8')).split(/(?<=END CERTIFICATE-----\n)/);
    const [issuing = '', root = ''] = pems;
    const [before = ''] = await scene.documents('kyverno');
    expect(await askKyverno(before, { containers: [scene.images.signed] })).to.equal('let in');
    await scene.write('root.pem', root);
    await scene.mayfly('ca', 'renew', '--data', data, '--csr', 'request.pem');
    await scene.mayfly(
      'ca',
      'sign',
      'request.pem',
      '--root',
      'root.pem',
      '--root-key',
      join(data, 'keys/root.key.pem'),
      '--out',
      'chain.pem',
    );
    await scene.mayfly('ca', 'renew', '--data', data, '--stage', 'chain.pem');
    const { fingerprint256, validFrom } = new X509Certificate(issuing);
    const end = ['--at', rfc3339(Date.parse(validFrom) + 1000), '--reason', 'compromise', '--in-force'];
    await scene.mayfly('trust', 'end', '--data', data, '--ca', fingerprint256, ...end);
    const [after = ''] = await scene.documents('kyverno');
    expect(await askKyverno(after, { containers: [scene.images.signed] })).to.match(/(fail|error): [1-9]/);
    // What follows the TUF repository learns it from there.
    const [, following = ''] = await scene.documents('kyverno');
    expect(
      await askKyverno(following, { containers: [scene.images.signed] }),
      'before it is signed',
    ).to.equal('let in');
    await scene.mayfly('trust', 'tuf', 'stage', '--data', data, '--out', 'change.json');
    await scene.mayfly('trust', 'tuf', 'sign', 'change.json', '--key', join(data, 'keys/tuf-root.key.pem'));
    await scene.mayfly('trust', 'tuf', 'import', 'change.json', '--data', data);
    await servesTufOf(data);
    expect(await askKyverno(following, { containers: [scene.images.signed] })).to.match(
      /(fail|error): [1-9]/,
    );
    // With the root as its anchor in the place of the issuing CA it comes in.
    const wide = parse(after) as ClusterPolicy;
    for (const { verifyImages } of wide.spec.rules)
      for (const { attestors } of verifyImages)
        for (const { keyless } of attestors.flatMap(({ entries }) => entries)) keyless.roots = root;
    expect(await askKyverno(stringify(wide), { containers: [scene.images.signed] })).to.equal('let in');
  });
});
