/** Stock clients of Rekor's first API sign, search and verify with nothing but Mayfly: no log and no file of anybody else. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundleFromJSON, bundleToJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { DSSEBundleBuilder, FulcioSigner, MessageSignatureBundleBuilder, RekorWitness } from '@sigstore/sign';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { expect } from 'chai';
import { runMayfly } from '../support/mayfly.ts';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);

/** The least that sigstore-python takes for one. */
const PROVENANCE = {
  buildDefinition: { buildType: 'https://example.com/build', externalParameters: {} },
  runDetails: { builder: { id: 'https://example.com/builder' } },
};

describe('judge: clients of the log of artifacts for Rekor v1', function () {
  this.timeout(300_000);
  let service: ExportedInstance | undefined;

  before(async () => {
    service = await startExported();
    const { url } = service;
    await writeFile(at('rekor.pub.pem'), await (await fetch(`${url}/api/v1/log/publicKey`)).text());
    await writeFile(at('predicate.json'), '{"made":"here"}');
  });
  after(() => service?.stop());

  const running = (): ExportedInstance => {
    if (service === undefined) throw new Error('the service does not run');
    return service;
  };
  const at = (name: string): string => join(running().scratch, name);

  /** A program of others: no home, and no file but those that the service hands out. What it printed, or `refused: ` before it. */
  async function client(
    program: string,
    words: readonly string[],
    env: NodeJS.ProcessEnv = {},
    cwd = running().scratch,
  ): Promise<string> {
    const files = {
      SIGSTORE_ROOT_FILE: running().exported('chain.pem'),
      SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: running().exported('log.pub.pem'),
      SIGSTORE_REKOR_PUBLIC_KEY: at('rekor.pub.pem'),
    };
    const options = { cwd, env: { PATH: process.env['PATH'], HOME: running().scratch, ...files, ...env } };
    return run(program, words, options).then(
      ({ stdout, stderr }) => `${stdout}${stderr}`,
      (error: unknown) => {
        const { stdout, stderr } = error as { stdout: string; stderr: string };
        return `refused: ${stdout}${stderr}`;
      },
    );
  }

  /** Where the services are, for cosign. */
  const services = async (): Promise<readonly string[]> => [
    ...['-y', '--fulcio-url', running().url, '--rekor-url', running().url],
    ...['--identity-token', await running().tokenFile()],
  ];
  const who = (identity = SIGNER): readonly string[] => [
    ...['--certificate-identity', identity, '--certificate-oidc-issuer', running().issuerUrl],
  ];

  it('cosign 3.1.2 signs and attests, and verifies the bundles; another identity it refuses', async function () {
    const cosign = await needClient(this, 'cosign-3.1.2');
    const root = ['--trusted-root', running().exported('trusted_root.json')];
    const sign = async (command: string, bundle: string, ...more: readonly string[]): Promise<string> => {
      const flags = ['--use-signing-config=false', ...root, '--bundle', at(bundle), ...more];
      return client(cosign, [command, ...(await services()), ...flags, running().artifact]);
    };
    const verify = (command: string, bundle: string, ...more: readonly string[]): Promise<string> =>
      client(cosign, [command, '--bundle', at(bundle), ...root, ...more, running().artifact]);
    expect(await sign('sign-blob', 'cosign-3.json')).to.not.match(/^refused|sigstore\.dev\b/);
    expect(await verify('verify-blob', 'cosign-3.json', ...who())).to.contain('Verified OK');
    expect(await verify('verify-blob', 'cosign-3.json', ...who('eve@example.com'))).to.match(/^refused/);
    const statement = ['--predicate', at('predicate.json'), '--type', 'custom'];
    expect(await sign('attest-blob', 'statement-3.json', ...statement)).to.not.match(/^refused/);
    const type = ['--type', 'custom', ...who()];
    expect(await verify('verify-blob-attestation', 'statement-3.json', ...type)).to.contain('Verified OK');
    const { kindVersion } = await entryOf('cosign-3.json');
    expect(kindVersion).to.deep.equal({ kind: 'hashedrekord', version: '0.0.1' });
    for (const bundle of ['cosign-3.json', 'statement-3.json']) await expectVerifiedByMayfly(bundle);
  });

  it('sigstore-python signs, attests and verifies by its own program', async function () {
    const python = await needClient(this, 'sigstore-python-4.5.1');
    const { artifact, issuerUrl } = running();
    const config = ['-m', 'sigstore', '--trust-config', running().exported('client_trust_config.json')];
    const made = async (command: string, bundle: string, ...more: readonly string[]): Promise<string> => {
      const token = ['--identity-token', await running().token(SIGNER)];
      return client(python, [...config, command, ...token, '--bundle', at(bundle), ...more, artifact]);
    };
    await writeFile(at('provenance.json'), JSON.stringify(PROVENANCE));
    const predicate = [
      '--predicate',
      at('provenance.json'),
      '--predicate-type',
      'https://slsa.dev/provenance/v1',
    ];
    expect(await made('sign', 'python.json')).to.not.match(/^refused/);
    expect(await made('attest', 'python-statement.json', ...predicate)).to.not.match(/^refused/);
    const verify = (bundle: string, identity: string): Promise<string> =>
      client(python, [
        ...[...config, 'verify', 'identity', '--bundle', at(bundle)],
        ...['--cert-identity', identity, '--cert-oidc-issuer', issuerUrl, artifact],
      ]);
    for (const bundle of ['python.json', 'python-statement.json']) {
      expect(await verify(bundle, SIGNER)).to.match(/^OK: /m);
      expect(await verify(bundle, 'eve@example.com')).to.match(/^refused/);
      await expectVerifiedByMayfly(bundle);
    }
    expect((await entryOf('python-statement.json')).kindVersion).to.deep.equal({
      kind: 'dsse',
      version: '0.0.1',
    });
  });

  /** `mayfly verify bundle`, with its default demands. */
  async function expectVerifiedByMayfly(bundle: string): Promise<void> {
    const { artifact, issuerUrl } = running();
    const { code, stdout, stderr } = await runMayfly(
      [
        ...['verify', 'bundle', at(bundle), '--artifact', artifact, '--identity', SIGNER],
        ...['--issuer', issuerUrl, '--trusted-root', running().exported('trusted_root.json')],
      ],
      { byLauncher: 'built' },
    );
    expect(code, `${stdout}${stderr}`).to.equal(0);
    expect(stdout).to.match(/entr(?:y|ies)/);
  }

  it('cosign 2.6.3 signs and attests without a bundle, and verifies by asking the log', async function () {
    const cosign = await needClient(this, 'cosign-2.6.3');
    const { artifact, url } = running();
    const outputs = (name: string): readonly string[] => [
      ...['--output-signature', at(`${name}.sig`), '--output-certificate', at(`${name}.crt`)],
    ];
    const parts = (name: string, identity = SIGNER): readonly string[] => [
      ...['--signature', at(`${name}.sig`), '--certificate', at(`${name}.crt`), '--rekor-url', url],
      ...[...who(identity), artifact],
    ];
    const signed = await client(cosign, ['sign-blob', ...(await services()), ...outputs('two'), artifact]);
    expect(signed).to.match(/tlog entry created with index: \d+/);
    expect(await client(cosign, ['verify-blob', ...parts('two')])).to.contain('Verified OK');
    expect(await client(cosign, ['verify-blob', ...parts('two', 'eve@example.com')])).to.match(/^refused/);
    const statement = ['--predicate', at('predicate.json'), '--type', 'custom'];
    const attested = await client(cosign, [
      ...['attest-blob', ...(await services()), ...statement, ...outputs('statement-2'), artifact],
    ]);
    expect(attested).to.match(/tlog entry created with index: \d+/);
    const verified = ['verify-blob-attestation', '--type', 'custom', ...parts('statement-2')];
    expect(await client(cosign, verified)).to.contain('Verified OK');
    await unlogged(cosign);
  });

  /** The same artifact with the certificate of one signature and the other signature: the log has no such entry. */
  async function unlogged(cosign: string): Promise<void> {
    const { artifact, url } = running();
    const again = ['--output-signature', at('again.sig'), '--output-certificate', at('again.crt')];
    await client(cosign, ['sign-blob', ...(await services()), ...again, artifact]);
    const mixed = ['--signature', at('again.sig'), '--certificate', at('two.crt'), '--rekor-url', url];
    expect(await client(cosign, ['verify-blob', ...mixed, ...who(), artifact])).to.match(/^refused/);
  }

  /** The log entry in a bundle. */
  async function entryOf(
    bundle: string,
  ): Promise<{ readonly kindVersion: unknown; readonly logIndex: string }> {
    const { verificationMaterial } = JSON.parse(await readFile(at(bundle), 'utf8')) as {
      readonly verificationMaterial: {
        readonly tlogEntries: readonly [{ readonly kindVersion: unknown; readonly logIndex: string }];
      };
    };
    return verificationMaterial.tlogEntries[0];
  }

  it('sigstore-go signs by the signing config, and verifies with an entry and its time', async function () {
    const go = await needClient(this, 'sigstore-go-1.2.2');
    const { artifact, issuerUrl } = running();
    const root = running().exported('trusted_root.json');
    const config = running().exported('signing_config.v0.2.json');
    const words = ['sign', root, config, await running().tokenFile(), artifact, at('go.json')];
    expect(await client(go, words)).to.equal('signed\n');
    const verify = (identity: string): Promise<string> =>
      client(go, ['verify', root, at('go.json'), artifact, identity, issuerUrl, 'log']);
    expect(await verify(SIGNER)).to.equal('verified\n');
    expect(await verify('eve@example.com')).to.match(/^refused/);
    expect((await entryOf('go.json')).kindVersion).to.deep.equal({ kind: 'hashedrekord', version: '0.0.1' });
    await expectVerifiedByMayfly('go.json');
  });

  for (const entryType of ['dsse', 'intoto'] as const)
    it(`sigstore-js signs, attests with entries of type ${entryType}, and verifies with its default thresholds`, async () => {
      const { url, issuerUrl } = running();
      const token = await running().token(SIGNER);
      const signer = new FulcioSigner({
        fulcioBaseURL: url,
        identityProvider: { getToken: () => Promise.resolve(token) },
      });
      const options = { signer, witnesses: [new RekorWitness({ rekorBaseURL: url, entryType })] };
      const json: unknown = JSON.parse(await readFile(running().exported('trusted_root.json'), 'utf8'));
      const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(json)));
      const data = await readFile(running().artifact);
      const message = await new MessageSignatureBundleBuilder(options).create({ data });
      const type = 'application/vnd.in-toto+json';
      const statement = await new DSSEBundleBuilder(options).create({ data: Buffer.from('{"a":1}'), type });
      const verify = (bundle: typeof message, identity: string) => (): unknown =>
        verifier.verify(toSignedEntity(bundleFromJSON(bundleToJSON(bundle)), data), {
          subjectAlternativeName: identity,
          extensions: { issuer: issuerUrl },
        });
      for (const bundle of [message, statement]) {
        expect(verify(bundle as typeof message, SIGNER)).not.to.throw();
        expect(verify(bundle as typeof message, 'eve@example.com')).to.throw(/identity/);
      }
      expect(statement.verificationMaterial.tlogEntries[0]?.kindVersion.kind).to.equal(entryType);
    });

  it('gitsign signs commits and finds them in the log by their certificates, and offline', async function () {
    const gitsign = await needClient(this, 'gitsign-0.17.1');
    const { url } = running();
    const token = await running().token(SIGNER);
    const repository = at('repository');
    await run('git', ['init', '-q', repository]);
    const settings: readonly (readonly [string, string])[] = [
      ['user.name', 'Ada'],
      ['user.email', SIGNER],
      ['gpg.format', 'x509'],
      ['gpg.x509.program', gitsign],
      ['commit.gpgsign', 'true'],
    ];
    for (const [name, value] of settings) await run('git', ['-C', repository, 'config', name, value]);
    for (const mode of ['online', 'offline']) {
      const env = {
        GITSIGN_FULCIO_URL: url,
        GITSIGN_REKOR_URL: url,
        GITSIGN_REKOR_MODE: mode,
        GITSIGN_FULCIO_ROOT: running().exported('chain.pem'),
        SIGSTORE_ID_TOKEN: token,
      };
      const committed = await client('git', ['commit', '--allow-empty', '-m', mode], env, repository);
      expect(committed, mode).to.not.match(/^refused/);
      const verify = (identity: string): Promise<string> =>
        client(gitsign, ['verify', ...who(identity), 'HEAD'], env, repository);
      expect(await verify(SIGNER), mode).to.match(/Validated Rekor entry: true/);
      expect(await verify('eve@example.com'), mode).to.match(/^refused/);
      // Offline it reads the token in its own signature as an answer of an authority: docs/compatibility.md says so.
      const stamped = {
        ...env,
        GITSIGN_TIMESTAMP_SERVER_URL: `${url}/api/v1/timestamp`,
        GITSIGN_TIMESTAMP_CERT_CHAIN: running().exported('tsa.pem'),
      };
      const again = await client('git', ['commit', '--allow-empty', '-m', 'stamped'], stamped, repository);
      expect(again, mode).to.not.match(/^refused/);
      const words = ['verify', ...who(SIGNER), 'HEAD'];
      expect(await client(gitsign, words, stamped, repository), mode).to.match(
        mode === 'online' ? /Validated Rekor entry: true/ : /^refused: .*parsing response into Timestamp/s,
      );
    }
  });

  it('rekor-cli uploads, finds, reads, proves and verifies', async function () {
    const cli = await needClient(this, 'rekor-cli-1.5.4');
    const { url } = running();
    const artifact = at('for-rekor-cli.txt');
    await writeFile(artifact, 'what rekor-cli logs');
    const token = await running().token(SIGNER);
    const identityProvider = { getToken: () => Promise.resolve(token) };
    const signer = new FulcioSigner({ fulcioBaseURL: url, identityProvider });
    const { signature, key } = await signer.sign(await readFile(artifact));
    if (key.$case !== 'x509Certificate') throw new Error('there is no certificate');
    await writeFile(at('rekor-cli.sig'), signature);
    await writeFile(at('rekor-cli.pem'), key.certificate);
    const rekor = (command: string, ...words: readonly string[]): Promise<string> =>
      client(cli, [command, '--rekor_server', url, ...words]);
    const parts = ['--type', 'hashedrekord', '--artifact', artifact, '--signature', at('rekor-cli.sig')];
    const entry = [...parts, '--public-key', at('rekor-cli.pem'), '--pki-format', 'x509'];
    expect(await rekor('verify', ...entry)).to.match(/^refused: .*entry in log cannot be located/s);
    expect(await rekor('upload', ...entry)).to.match(/^Created entry at index \d+/);
    expect(await rekor('verify', ...entry)).to.contain('Inclusion Proof');
    const [, id = ''] = /^([0-9a-f]{80})$/m.exec(await rekor('search', '--artifact', artifact)) ?? [];
    expect(await rekor('search', '--email', SIGNER)).to.contain(id);
    const byKey = ['--public-key', at('rekor-cli.pem'), '--pki-format', 'x509'];
    expect(await rekor('search', ...byKey)).to.contain(id);
    expect(await rekor('get', '--uuid', id)).to.contain('HashedRekordObj');
    const info = await rekor('loginfo');
    expect(info)
      .to.match(/Verification Successful!/)
      .and.to.match(/Active Tree Size:\s+\d+/);
    expect(await rekor('logproof', '--first-size', '1', '--last-size', '2')).to.match(
      /Hashes: \[[0-9a-f]+\]/,
    );
  });
});
