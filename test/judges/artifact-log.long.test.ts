/** The log of artifacts for clients of Rekor v2, judged by those clients and by the stock server itself. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundleFromJSON, bundleToJSON } from '@sigstore/bundle';
import { SigningConfig, TrustedRoot } from '@sigstore/protobuf-specs';
import { bundleBuilderFromSigningConfig } from '@sigstore/sign';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { expect } from 'chai';
import { recorded } from '../rekor/entries/support/recorded.ts';
import { vectorPath } from '../support/vectors.ts';
import { startV2Server, type V2Server } from '../server/rekor/support/v2-server.ts';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { needClient } from './support/stock-clients.ts';
import { startRekor, type StockRekor } from './support/stock-rekor.ts';

const run = promisify(execFile);

/** An entry, as both servers answer it. */
interface EntryAnswer {
  readonly canonicalizedBody?: string | undefined;
  readonly kindVersion?: unknown;
  readonly integratedTime?: string | undefined;
  readonly inclusionPromise?: unknown;
  readonly code?: number | undefined;
  readonly message?: string | undefined;
}

/** The logs of a trusted root. */
interface TrustedLogs {
  readonly tlogs: readonly {
    readonly publicKey: { readonly rawBytes: string; readonly keyDetails: string };
    readonly logId: { readonly keyId: string };
  }[];
}

/** The service with a byte changed in each answer of a path that begins so. */
async function startChanging(
  url: string,
  prefix: string,
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const server = createServer((request, response) => {
    void fetch(`${url}${request.url ?? ''}`).then(async (answer) => {
      const body = Buffer.from(await answer.arrayBuffer());

      if (request.url?.startsWith(prefix))
        body.writeUInt8(body.readUInt8(body.length - 1) ^ 1, body.length - 1);
      response.writeHead(answer.status).end(body);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${port}`, stop };
}

describe('judge: stock clients of Rekor v2', function () {
  this.timeout(600_000);
  let service: ExportedInstance;
  let trustedRoot: string;
  let signingConfig: string;

  before(async () => {
    service = await startExported();
    trustedRoot = service.exported('trusted_root.json');
    signingConfig = join(service.scratch, 'signing_config.v2.json');
    const exported = JSON.parse(await readFile(service.exported('signing_config.v0.2.json'), 'utf8')) as {
      readonly caUrls: readonly object[];
    };
    const log = { ...exported.caUrls[0], url: service.url, majorApiVersion: 2 };
    const logs = { rekorTlogUrls: [log], rekorTlogConfig: { selector: 'ANY' } };
    await writeFile(signingConfig, JSON.stringify({ ...exported, ...logs }));
  });

  after(() => service.stop());

  const at = (name: string): string => join(service.scratch, name);
  const client = async (program: string, words: readonly string[]): Promise<string> => {
    const env = { PATH: process.env['PATH'], HOME: service.scratch };
    const { stdout, stderr } = await run(program, words, { env });
    return `${stdout}${stderr}`;
  };
  const failureOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'it was accepted',
      (error: unknown) => String((error as { stderr?: string }).stderr ?? error),
    );
  /** The entry of a bundle is one of this log. */
  const entryOf = async (bundle: string): Promise<EntryAnswer & { logIndex: string }> => {
    const { verificationMaterial } = JSON.parse(await readFile(at(bundle), 'utf8')) as {
      verificationMaterial: { tlogEntries: [EntryAnswer & { logIndex: string }] };
    };
    return verificationMaterial.tlogEntries[0];
  };

  it('cosign signs and attests with its default flags, and verifies what it logged', async function () {
    const cosign = await needClient(this, 'cosign-3.1.2');
    const who = ['--certificate-identity', SIGNER, '--certificate-oidc-issuer', service.issuerUrl];
    const sign = async (command: string, bundle: string, ...more: readonly string[]): Promise<string> =>
      client(cosign, [
        ...[command, '-y', '--signing-config', signingConfig, '--trusted-root', trustedRoot],
        ...['--bundle', at(bundle), '--identity-token', await service.tokenFile(), ...more, service.artifact],
      ]);
    const verify = (command: string, bundle: string, ...more: readonly string[]): Promise<string> =>
      client(cosign, [
        ...[command, '--bundle', at(bundle), '--trusted-root', trustedRoot, ...who, ...more],
        service.artifact,
      ]);
    expect(await sign('sign-blob', 'blob.json')).to.not.contain('sigstore.dev');
    expect(await verify('verify-blob', 'blob.json')).to.contain('Verified OK');
    const { kindVersion, logIndex } = await entryOf('blob.json');
    expect(kindVersion).to.deep.equal({ kind: 'hashedrekord', version: '0.0.2' });
    expect(Number(logIndex)).to.be.greaterThan(0);
    await writeFile(at('predicate.json'), '{"made":"here"}');
    await sign('attest-blob', 'statement.json', '--predicate', at('predicate.json'), '--type', 'custom');
    const verified = await verify('verify-blob-attestation', 'statement.json', '--type', 'custom');
    expect(verified).to.contain('Verified OK');
    // Of another entry of the same log the signature is not.
    const blob = JSON.parse(await readFile(at('blob.json'), 'utf8')) as { verificationMaterial: object };
    const entries = { tlogEntries: [await entryOf('statement.json')] };
    const material = { ...blob.verificationMaterial, ...entries };
    await writeFile(at('foreign.json'), JSON.stringify({ ...blob, verificationMaterial: material }));
    expect(await failureOf(verify('verify-blob', 'foreign.json'))).to.match(/Error:/);
  });

  it('cosign is refused with a key that the operator does not list, and says why', async function () {
    const cosign = await needClient(this, 'cosign-3.1.2');
    const env = { PATH: process.env['PATH'], HOME: service.scratch, COSIGN_PASSWORD: '' };
    await run(cosign, ['generate-key-pair', '--output-key-prefix', at('own')], { env });
    const words = ['sign-blob', '-y', '--key', at('own.key'), '--signing-config', signingConfig];
    const more = ['--trusted-root', trustedRoot, '--bundle', at('key.json'), service.artifact];
    const refused = await failureOf(run(cosign, [...words, ...more], { env }));
    expect(refused).to.contain('the key is not among those that the operator lists');
  });

  it('sigstore-js signs a file, and attests as it asks of no stock server any more; its verifier finds both logged', async () => {
    const config = SigningConfig.fromJSON(JSON.parse(await readFile(signingConfig, 'utf8')));
    const root = TrustedRoot.fromJSON(JSON.parse(await readFile(trustedRoot, 'utf8')));
    const thresholds = { ctlogThreshold: 1, tlogThreshold: 1, timestampThreshold: 1 };
    const verifier = new Verifier(toTrustMaterial(root), thresholds);
    const token = await service.token(SIGNER);
    const data = await readFile(service.artifact);
    const statement = Buffer.from(
      JSON.stringify({
        _type: 'https://in-toto.io/Statement/v1',
        subject: [{ name: 'a', digest: { sha256: 'ab'.repeat(32) } }],
        predicateType: 'https://example.com/p',
        predicate: {},
      }),
    );
    for (const [bundleType, artifact] of [
      ['messageSignature', { data }],
      ['dsseEnvelope', { data: statement, type: 'application/vnd.in-toto+json' }],
    ] as const) {
      const builder = bundleBuilderFromSigningConfig({
        signingConfig: config,
        identityProvider: { getToken: () => Promise.resolve(token) },
        bundleType,
      });
      const bundle = bundleToJSON(await builder.create(artifact));
      const entity = toSignedEntity(
        bundleFromJSON(bundle),
        bundleType === 'messageSignature' ? data : undefined,
      );
      verifier.verify(entity, { subjectAlternativeName: SIGNER, extensions: { issuer: service.issuerUrl } });
    }
  });

  it('sigstore-go signs by the signing config, and verifies with an entry and a timestamp', async function () {
    const go = await needClient(this, 'sigstore-go-1.2.2');
    const words = ['sign', trustedRoot, signingConfig, await service.tokenFile(), service.artifact];
    expect(await client(go, [...words, at('go.json')])).to.equal('signed\n');
    const verify = ['verify', trustedRoot, at('go.json'), service.artifact, SIGNER, service.issuerUrl];
    expect(await client(go, [...verify, 'log'])).to.equal('verified\n');
    const { kindVersion } = await entryOf('go.json');
    expect(kindVersion).to.deep.equal({ kind: 'hashedrekord', version: '0.0.2' });
  });

  it('gitsign signs a commit, whose entry and timestamp are in it', async function () {
    const gitsign = await needClient(this, 'gitsign-0.17.1');
    const repository = at('repository');
    const env = {
      PATH: process.env['PATH'],
      HOME: service.scratch,
      SIGSTORE_ROOT_FILE: service.exported('chain.pem'),
      SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: service.exported('log.pub.pem'),
      SIGSTORE_REKOR_PUBLIC_KEY: service.exported('rekor.pub'),
      SIGSTORE_ID_TOKEN: await service.token(SIGNER),
    };
    const git = (...words: readonly string[]): Promise<unknown> =>
      run('git', ['-C', repository, ...words], { env });
    await run('git', ['init', '--quiet', repository]);
    const settings = {
      'user.name': 'Ada',
      'user.email': SIGNER,
      'commit.gpgsign': 'true',
      'gpg.format': 'x509',
      'gpg.x509.program': gitsign,
      'gitsign.fulcio': service.url,
      'gitsign.rekor': service.url,
      'gitsign.rekorVersion': '2',
      'gitsign.rekorMode': 'offline',
      'gitsign.timestampServerURL': `${service.url}/api/v1/timestamp`,
    };
    for (const [name, value] of Object.entries(settings)) await git('config', name, value);
    const before = await treeSize();
    await git('commit', '--quiet', '--allow-empty', '-m', 'signed');
    expect((await treeSize()) - before).to.equal(1);
  });

  const treeSize = async (): Promise<number> => {
    const [, size] = (await (await fetch(`${service.url}/api/v2/checkpoint`)).text()).split('\n');
    return Number(size);
  };

  it("tessera's fsck reads every tile and bundle to the signed root, under both prefixes, and misses a byte nowhere", async function () {
    const fsck = await needClient(this, 'tessera-fsck-1.0.4');
    const { tlogs } = JSON.parse(await readFile(trustedRoot, 'utf8')) as TrustedLogs;
    const log = tlogs.find(({ publicKey }) => publicKey.keyDetails === 'PKIX_ED25519');
    const origin = new URL(service.url).hostname;
    const key = Buffer.concat([
      Buffer.of(1),
      Buffer.from(log?.publicKey.rawBytes ?? '', 'base64').subarray(-32),
    ]);
    const id = Buffer.from(log?.logId.keyId ?? '', 'base64')
      .subarray(0, 4)
      .toString('hex');
    await writeFile(at('log.vkey'), `${origin}+${id}+${key.toString('base64')}`);
    const check = (url: string): Promise<string> =>
      client(fsck, ['--storage_url', url, '--public_key', at('log.vkey'), '--ui=false']);
    // Its exit status is 0 whatever it found.
    for (const prefix of ['/', '/api/v2/'])
      expect(await check(`${service.url}${prefix}`))
        .to.contain(`checking log of size ${await treeSize()}`)
        .and.to.not.contain('failed');
    const changed = await startChanging(service.url, '/tile/entries/');
    const outcome = await check(`${changed.url}/`);
    await changed.stop();
    expect(outcome).to.match(/fsck failed: failed: tile\/0\/000/);
  });

  it("Go's own verifier of signed notes takes the checkpoints of both logs", async function () {
    const go = await needClient(this, 'sigstore-go-1.2.2');
    const { tlogs } = JSON.parse(await readFile(trustedRoot, 'utf8')) as TrustedLogs;
    const { signedTreeHead } = (await (await fetch(`${service.url}/api/v1/log`)).json()) as {
      signedTreeHead: string;
    };
    const second = await (await fetch(`${service.url}/api/v2/checkpoint`)).text();
    const host = new URL(service.url).hostname;
    for (const [details, note] of [
      ['PKIX_ECDSA_P256_SHA_256', signedTreeHead],
      ['PKIX_ED25519', second],
    ] as const) {
      const key = tlogs.find(({ publicKey }) => publicKey.keyDetails === details)?.publicKey.rawBytes ?? '';
      await writeFile(at('key.pem'), `-----BEGIN PUBLIC KEY-----\n${key}\n-----END PUBLIC KEY-----\n`);
      await writeFile(at('note'), note);
      const open = (): Promise<string> => client(go, ['note', at('key.pem'), host, at('note')]);
      expect(await open()).to.equal(`1 signatures of 1\n${note.slice(0, note.indexOf('\n\n') + 1)}`);
      await writeFile(
        at('note'),
        note.replace(/\n\d+\n/, (size) => `\n${Number(size) + 1}\n`),
      );
      const refused = await run(go, ['note', at('key.pem'), host, at('note')]).catch(
        (error: unknown) => (error as { stdout: string }).stdout,
      );
      expect(refused).to.match(/^refused: .*(?:invalid signature|no verifiable)/);
    }
  });

  it('sigstore-python signs and verifies', async function () {
    const python = await needClient(this, 'sigstore-python-4.5.1');
    const trust = JSON.parse(await readFile(service.exported('client_trust_config.json'), 'utf8')) as object;
    const signing: unknown = JSON.parse(await readFile(signingConfig, 'utf8'));
    await writeFile(at('trust_config.json'), JSON.stringify({ ...trust, signingConfig: signing }));
    const sigstore = (...words: readonly string[]): Promise<string> =>
      client(python, ['-m', 'sigstore', '--trust-config', at('trust_config.json'), ...words]);
    const token = ['--identity-token', await service.token(SIGNER)];
    await sigstore('sign', '--bundle', at('python.json'), ...token, service.artifact);
    const who = ['--cert-identity', SIGNER, '--cert-oidc-issuer', service.issuerUrl];
    const words = ['verify', 'identity', '--bundle', at('python.json'), ...who, service.artifact];
    expect(await sigstore(...words)).to.match(/^OK: /);
    expect((await entryOf('python.json')).kindVersion).to.deep.equal({
      kind: 'hashedrekord',
      version: '0.0.2',
    });
  });
});

/** What is meant to differ, with the reason. */
const DIFFERENCES: ReadonlyMap<string, string> = new Map([
  ['rsa-key-with-wrong-details', 'the details are not those of the key: no client would verify the entry'],
]);

describe('judge: rekor-tiles, asked the same', function () {
  this.timeout(600_000);
  let stock: StockRekor;
  const running: { stop(): Promise<unknown> }[] = [];
  let own: V2Server;

  before(async function () {
    const program = await needClient(this, 'rekor-tiles-2.3.0');
    running.push((own = await startV2Server({ refusesDuplicates: true })));
    running.unshift((stock = await startRekor(program, own.made.root)));
  });

  after(async () => {
    for (const one of running) await one.stop();
  });

  const post = async (url: string, body: string): Promise<EntryAnswer & { status: number }> => {
    const response = await fetch(`${url}/api/v2/log/entries`, { method: 'POST', body });
    // One of two spaces stands there, by the build of Go's library.
    const text = (await response.text()).replaceAll('\u00a0', ' ');
    const {
      canonicalizedBody,
      kindVersion,
      integratedTime,
      inclusionPromise,
      code,
      message = '',
    } = JSON.parse(text) as EntryAnswer;
    return {
      status: response.status,
      canonicalizedBody,
      kindVersion,
      integratedTime,
      inclusionPromise,
      code,
      message: message.replace(/with index \d+$/, 'with index N'),
    };
  };

  it('logs what it logs, with the same body, and refuses what it refuses, with the same words', async () => {
    const { entries, refusals } = recorded(2);
    const all = [...entries, ...refusals, ...entries];
    expect(all).to.have.length(30);
    for (const { name, request } of all) {
      const [theirs, ours] = await Promise.all([post(stock.url, request), post(own.url, request)]);
      if (DIFFERENCES.has(name)) expect([theirs.status < 500, ours.status], name).to.deep.equal([true, 400]);
      else expect(ours, name).to.deep.equal(theirs);
    }
  });

  it('says of hundreds of requests that cannot be read what it says', async () => {
    const rows = JSON.parse(await readFile(vectorPath('rekor/protojson-v2.json'), 'utf8')) as {
      readonly request: string;
    }[];
    for (const { request } of rows) {
      const [theirs, ours] = await Promise.all([post(stock.url, request), post(own.url, request)]);
      expect(ours, request).to.deep.equal(theirs);
    }
  });
});
