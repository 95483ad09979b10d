/** Ratify with what `mayfly trust export --for ratify` prints: its command line is given the files of the ConfigMap, the settings that stand in front of the Verifier, and
 * the parameters of the Verifier. It takes no timestamps: what says when an image was signed is the entry in our log of artifacts. */
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { needClient } from './support/stock-clients.ts';
import { signImages, type SignedImages } from './support/signed-images.ts';

const run = promisify(execFile);
/** The key of a log of somebody else. */
const OTHER_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .publicKey.export({ type: 'spki', format: 'pem' })
  .toString();
const SIGNATURE = 'application/vnd.dev.cosign.artifact.sig.v1+json';

interface RatifyDocuments {
  /** Name → content of the files of the ConfigMap. */
  readonly files: Readonly<Record<string, string>>;
  readonly verifier: { readonly name: string; readonly artifactTypes: string; readonly parameters: object };
  /** Name → path below `/mayfly` of the settings. */
  readonly settings: ReadonlyMap<string, string>;
}

describe('judge: Ratify', function () {
  this.timeout(1_800_000);
  let scene: SignedImages | undefined;
  afterEach(async () => {
    await scene?.stop();
    scene = undefined;
  });

  async function sign(
    test: Mocha.Context,
    options: { readonly minutesAgo?: number } = {},
  ): Promise<SignedImages> {
    const cosign = await needClient(test, 'cosign-2.6.3');
    const crane = await needClient(test, 'crane-0.20.6');
    scene = await signImages({ cosign, crane }, options);
    return scene;
  }

  async function printed(signed: SignedImages): Promise<RatifyDocuments> {
    const text = (await signed.documents('ratify')).join('---');
    const [map, verifier] = parseAllDocuments(text).map((document) => document.toJS() as unknown);
    const { data } = map as { data: Record<string, string> };
    const { spec } = verifier as { spec: RatifyDocuments['verifier'] };
    const settings = [...text.matchAll(/\{name: (\w+), value: \/mayfly\/([\w.]+)\}/g)];
    return {
      files: data,
      verifier: spec,
      settings: new Map(settings.map(([, name = '', file = '']) => [name, file])),
    };
  }

  /** `let in`, or what it says of an image; with other values of what it is given of the log of artifacts. */
  async function ask(
    ratify: string,
    signed: SignedImages,
    image: string,
    { rekorKey, rekorUrl }: { readonly rekorKey?: string; readonly rekorUrl?: string } = {},
  ): Promise<string> {
    const { files: own, verifier, settings } = await printed(signed);
    const files = { ...own, ...(rekorKey !== undefined && { 'rekor.pub.pem': rekorKey }) };
    const env: NodeJS.ProcessEnv = { PATH: process.env['PATH'], HOME: signed.service.scratch };
    for (const [name, content] of Object.entries(files)) await signed.write(name, content);
    for (const [name, file] of settings) env[name] = join(signed.service.scratch, file);
    const { name, artifactTypes, parameters } = verifier;
    const config = {
      store: { version: '1.0.0', plugins: [{ name: 'oras', cosignEnabled: true, useHttp: true }] },
      policy: {
        version: '1.0.0',
        plugin: { name: 'configPolicy', artifactVerificationPolicies: { [SIGNATURE]: 'any' } },
      },
      verifier: { version: '1.0.0', plugins: [{ name, artifactTypes, ...parameters }] },
    };
    const text = JSON.stringify(config);
    const { url } = signed.service;
    if (!text.includes(`"rekorURL":"${url}"`)) throw new Error(text);
    const file = await signed.write('ratify.json', text.replaceAll(url, rekorUrl ?? url));
    const { stdout } = await run(ratify, ['verify', '-s', image, '-c', file], { env }).catch(
      (error: unknown) => error as { stdout: string },
    );
    const { isSuccess } = JSON.parse(stdout) as { isSuccess?: boolean };
    return isSuccess === true ? 'let in' : stdout;
  }

  it('lets in what the identity signed, and nothing else', async function () {
    const ratify = await needClient(this, 'ratify-1.4.6');
    const signed = await sign(this);
    expect(await ask(ratify, signed, signed.images.signed)).to.equal('let in');
    expect(await ask(ratify, signed, signed.images.unlogged)).to.match(
      /no matching signatures|not found|rekor/i,
    );
    expect(await ask(ratify, signed, signed.images.unsigned)).to.include('No verification results');
    expect(await ask(ratify, signed, signed.images.foreign)).to.include(
      'none of the expected identities matched',
    );
  });

  it('lets in what was signed in time by its entry in the log, and nothing without one whose certificate is over', async function () {
    const ratify = await needClient(this, 'ratify-1.4.6');
    const signed = await sign(this, { minutesAgo: 20 });
    expect(await ask(ratify, signed, signed.images.signed)).to.equal('let in');
    for (const image of [
      signed.images.unlogged,
      signed.images.forged,
      signed.images.foreign,
      signed.images.unsigned,
    ])
      expect(await ask(ratify, signed, image)).not.to.equal('let in');
    // It verifies the entry by the key of the log, and asks nobody.
    const { images } = signed;
    expect(await ask(ratify, signed, images.signed, { rekorUrl: 'http://127.0.0.1:9' })).to.equal('let in');
    expect(await ask(ratify, signed, images.signed, { rekorKey: OTHER_KEY })).not.to.equal('let in');
  });
});
