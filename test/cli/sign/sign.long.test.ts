import { createHash, generateKeyPairSync, type KeyPairKeyObjectResult } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleFromJSON } from '@sigstore/bundle';
import { initializeTLog, rekorHandler } from '@sigstore/mock';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { expect } from 'chai';
import { giveToOrdinaryUser, needOrdinaryUser, ordinaryUser } from '../../support/ordinary-user.ts';
import {
  type DevMayfly,
  type MayflyResult,
  type RunOptions,
  runMayfly,
  startDev,
} from '../../support/mayfly.ts';

/** What of a bundle the tests look at. */
interface Bundle {
  readonly mediaType: string;
  readonly verificationMaterial: { readonly certificate: { readonly rawBytes: string } };
  readonly dsseEnvelope?: { readonly payload: string; readonly payloadType: string };
}

describe('mayfly sign and mayfly attest', function () {
  this.timeout(60_000);
  let directory: string;
  let service: DevMayfly;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-sign-'));
    service = await startDev({ data: join(directory, 'data') });
    const exported = [
      'trust',
      'export',
      '--data',
      service.data,
      '--public-url',
      service.url,
      '--out',
      'trust',
    ];
    expect((await runMayfly(exported, { cwd: directory })).code).to.equal(0);
    for (const name of ['app', 'lib']) await writeFile(join(directory, name), `what ${name} holds`);
  });

  after(async () => {
    await service.stop();
    await rm(directory, { recursive: true });
  });

  const at = (...parts: string[]): string => join(directory, ...parts);
  const json = async <T>(...parts: string[]): Promise<T> =>
    JSON.parse(await readFile(at(...parts), 'utf8')) as T;

  async function token(...args: string[]): Promise<string> {
    const words = args.length === 0 ? ['--email', 'ada@example.com'] : args;
    return (await runMayfly(['token', '--data', service.data, ...words])).stdout;
  }

  /** Runs a command with a token in the environment. */
  async function mayfly(words: readonly string[], options: RunOptions = {}): Promise<MayflyResult> {
    const env = options.env ?? { SIGSTORE_ID_TOKEN: await token() };
    return await runMayfly(words, { cwd: directory, ...options, env });
  }

  const atService = (): string[] => ['--url', service.url];

  /** Throws unless sigstore-js accepts the bundle with its timestamp, by the exported trusted root. */
  async function verify(bundle: unknown, artifact: Buffer, identity = 'ada@example.com'): Promise<void> {
    const root = TrustedRoot.fromJSON(await json('trust', 'trusted_root.json'));
    const thresholds = { ctlogThreshold: 1, tlogThreshold: 0, timestampThreshold: 1 };
    new Verifier(toTrustMaterial(root), thresholds).verify(toSignedEntity(bundleFromJSON(bundle), artifact), {
      subjectAlternativeName: identity,
      extensions: { issuer: service.issuerUrl },
    });
  }

  it('writes a bundle beside the file, which a verifier of others accepts, and says whose word it went by', async () => {
    const { code, stdout, stderr } = await mayfly(['sign', 'app', ...atService()]);
    expect({ code, stderr }, stderr).to.deep.equal({ code: 0, stderr: '' });
    expect(stdout).to.contain('Signed as ada@example.com').and.contain("the service's own word only");
    const bundle = await json<Bundle>('app.sigstore.json');
    expect(bundle.mediaType).to.equal('application/vnd.dev.sigstore.bundle.v0.3+json');
    await verify(bundle, await readFile(at('app')));
    // The key was written nowhere: all that is new is the bundle.
    expect((await readdir(directory)).sort()).to.deep.equal([
      'app',
      'app.sigstore.json',
      'data',
      'lib',
      'trust',
    ]);
  });

  it('signs several files under one certificate, into a directory, with the services of a client trust config', async () => {
    await mkdir(at('out'));
    const words = [
      'sign',
      'app',
      'lib',
      '--trust-config',
      'trust/client_trust_config.json',
      '--output',
      'out',
    ];
    const { code, stdout, stderr } = await mayfly([...words, '--json']);
    expect(code, stdout + stderr).to.equal(0);
    const answer = JSON.parse(stdout) as {
      trust: string;
      notes: string[];
      bundles: Record<string, unknown>[];
    };
    expect(answer).to.include({ trust: 'file', identity: 'ada@example.com', issuer: service.issuerUrl });
    expect(answer.notes).to.deep.equal([]);
    const sha256 = createHash('sha256').update('what app holds').digest('hex');
    expect(answer.bundles[0]).to.include({ artifact: 'app', bundle: 'out/app.sigstore.json', sha256 });
    expect(answer.bundles[0]?.['times']).to.have.length(2);
    const bundles = [
      await json<Bundle>('out', 'app.sigstore.json'),
      await json<Bundle>('out', 'lib.sigstore.json'),
    ];
    await verify(bundles[0], await readFile(at('app')));
    await verify(bundles[1], await readFile(at('lib')));
    const [one, other] = bundles.map(({ verificationMaterial }) => verificationMaterial.certificate.rawBytes);
    expect(one).to.equal(other);
  });

  it('signs with a signing config and a trusted root, or with the directory that has them', async () => {
    for (const words of [
      ['--signing-config', 'trust/signing_config.v0.2.json', '--trusted-root', 'trust/trusted_root.json'],
      ['--signing-config', 'trust', '--trusted-root', 'trust'],
      ['--trust-config', 'trust'],
      [...atService(), '--trusted-root', 'trust'],
    ]) {
      const { code, stdout, stderr } = await mayfly([
        'sign',
        'app',
        ...words,
        '--bundle',
        'config.json',
        '--force',
      ]);
      expect(code, stderr).to.equal(0);
      expect(stdout, words.join(' ')).to.not.contain('Note:');
      await verify(await json('config.json'), await readFile(at('app')));
    }
    const none = await mayfly([
      'sign',
      'app',
      ...atService(),
      '--trusted-root',
      '.',
      '--bundle',
      'never.json',
    ]);
    expect(none.stderr).to.match(/--trusted-root: \.?\/?trusted_root\.json does not exist/);
  });

  it('takes whom to trust by either name of the option, as the commands do that verify', async () => {
    await writeFile(at('both'), 'by both names');
    await writeFile(at('both.json'), '{}');
    const who = ['--identity', 'ada@example.com', '--issuer', service.issuerUrl];
    const digest = ['--digest', `sha256:${'00'.repeat(32)}`];
    const commands: readonly (readonly [words: readonly string[], code: number])[] = [
      [['sign', 'both', '--force', ...atService()], 0],
      [['attest', 'both', '--predicate', 'both.json', '--type', 'custom', '--force', ...atService()], 0],
      [['certificate', '--out', '.', ...atService()], 0],
      [['verify', 'certificate', 'cert.pem', ...who], 0],
      // It is no timestamp.
      [['verify', 'timestamp', 'both', ...digest], 1],
    ];
    for (const [words, code] of commands) {
      const names = ['--trust', '--trusted-root'];
      for (const name of names) {
        const result = await mayfly([...words, name, 'trust']);
        expect(result.code, `${words.join(' ')} ${name}\n${result.stderr}`).to.equal(code);
        expect(result.stdout + result.stderr).not.to.match(/own word only|unknown option|give --trust/);
      }
      const twice = await mayfly([...words, ...names.flatMap((name) => [name, 'trust'])]);
      expect(twice, words.join(' ')).to.include({ code: 2, stdout: '' });
      expect(twice.stderr).to.include('give --trusted-root or --trust, not both');
    }
    const made = ['cert.pem', 'chain.pem', 'both', 'both.json', 'both.sigstore.json'];
    await Promise.all(made.map((name) => rm(at(name))));
  });

  it('reads stdin, and has nothing on stdout but the bundle, also when its reader is another program', async () => {
    const artifact = 'from a pipe '.repeat(100_000);
    const { code, stdout, stderr } = await mayfly(['sign', '-', ...atService()], { stdin: artifact });
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    expect(stdout.split('\n')).to.have.length(2);
    await verify(JSON.parse(stdout), Buffer.from(artifact));
    const named = await mayfly(['sign', 'app', '--bundle', '-', ...atService()]);
    expect(named.stderr).to.equal('');
    await verify(JSON.parse(named.stdout), await readFile(at('app')));
  });

  it('signs an in-toto statement that holds the predicate to the byte', async () => {
    const predicate = '{"count": 9007199254740993, "text": "\\u00e4"}';
    const words = ['attest', 'app', '--predicate', '-', '--type', 'spdxjson', '--bundle', 'att.json'];
    const { code, stderr } = await mayfly([...words, ...atService()], { stdin: predicate });
    expect(code, stderr).to.equal(0);
    const bundle = await json<Bundle>('att.json');
    await verify(bundle, Buffer.alloc(0));
    expect(bundle.dsseEnvelope?.payloadType).to.equal('application/vnd.in-toto+json');
    const statement = Buffer.from(bundle.dsseEnvelope?.payload ?? '', 'base64').toString();
    expect(statement).to.contain(`"predicate":${predicate}`);
    expect(JSON.parse(statement)).to.include({
      _type: 'https://in-toto.io/Statement/v1',
      predicateType: 'https://spdx.dev/Document',
    });
    const { subject } = JSON.parse(statement) as { subject: unknown };
    const sha256 = createHash('sha256').update('what app holds').digest('hex');
    expect(subject).to.deep.equal([{ name: 'app', digest: { sha256 } }]);
    const judged = [
      'verify',
      'bundle',
      'att.json',
      '--artifact',
      'app',
      '--trust',
      'trust',
      '--any-identity',
    ];
    expect((await mayfly([...judged, '--predicate-type', 'spdxjson'])).code, 'by the same name').to.equal(0);
    expect((await mayfly([...judged, '--predicate-type', 'vuln'])).code).to.equal(1);
  });

  it('replaces no bundle, and asks nobody for anything, unless it is forced', async () => {
    await writeFile(at('kept.sigstore.json'), 'of somebody');
    await writeFile(at('kept'), 'x');
    const size = await logSize();
    const { code, stderr } = await mayfly([
      'sign',
      'app',
      'kept',
      ...atService(),
      '--bundle',
      'kept.sigstore.json',
    ]);
    expect([code, stderr]).to.satisfy(([status]: [number]) => status === 2);
    const refused = await mayfly(['sign', 'kept', ...atService()]);
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.contain('kept.sigstore.json is there already').and.contain('--force');
    expect(await readFile(at('kept.sigstore.json'), 'utf8')).to.equal('of somebody');
    expect(await logSize()).to.equal(size);
    expect((await mayfly(['sign', 'kept', ...atService(), '--force'])).code).to.equal(0);
    await verify(await json('kept.sigstore.json'), await readFile(at('kept')));
  });

  async function logSize(): Promise<number> {
    const checkpoint = await (await fetch(`${service.logUrl}/checkpoint`)).text();
    return Number(checkpoint.split('\n')[1]);
  }

  it('says it before any login when the directory may not be written to', async function () {
    needOrdinaryUser(this);
    const place = await mkdtemp(join(tmpdir(), 'mayfly-sign-shut-'));
    await writeFile(join(place, 'app'), 'x');
    await giveToOrdinaryUser(place);
    await chmod(place, 0o555);
    const env = { SIGSTORE_ID_TOKEN: await token(), HOME: place };
    const result = await runMayfly(['sign', 'app', ...atService()], { cwd: place, user: ordinaryUser, env });
    await rm(place, { recursive: true });
    expect(result.code).to.equal(1);
    expect(result.stderr).to.match(/app\.sigstore\.json cannot be written: this user may not[^]*--output/);
  });

  const refusals: readonly (readonly [string, string[], RegExp])[] = [
    ['an expired token', ['--email', 'a@example.com', '--ttl', '-240'], /expired[\s\S]*new token/],
    ['a token for somebody else', ['--email', 'a@example.com', '--audience', 'x'], /the token is for "x"/],
  ];
  for (const [what, words, says] of refusals) {
    it(`shows the service's reason and advice for ${what}, and writes nothing`, async () => {
      const value = await token(...words);
      const result = await mayfly(['sign', 'app', '--bundle', 'no.json', ...atService()], {
        env: { SIGSTORE_ID_TOKEN: value },
      });
      expect(result).to.include({ code: 1, stdout: '' });
      expect(result.stderr).to.match(says).and.not.contain(value.split('.')[2]);
      expect(await readdir(directory)).to.not.include('no.json');
    });
  }

  /** What is typed after `mayfly sign`; AT is the service. */
  const wrong: readonly (readonly [string, string, number, RegExp])[] = [
    ['no token and nobody to log in', 'lib AT', 1, /there is no identity token[^]*SIGSTORE_ID_TOKEN/],
    ['a file that is not there', 'nowhere AT', 2, /FILE: nowhere does not exist/],
    ['a directory to sign', 'trust AT', 2, /FILE: trust is a directory/],
    ['an address that is none', 'lib --url localhost', 2, /--url: "localhost" is not/],
    ['plain HTTP to another machine', 'lib --url http://ca.example.com', 1, /plain HTTP: no token goes/],
    ['one bundle for two files', 'app lib AT --bundle x.json', 2, /--bundle is for one file[^]*--output/],
    ['no directory for bundles', 'app AT --output nowhere', 2, /--output: nowhere is not there/],
    ['a file in its place', 'app AT --output lib', 2, /--output: lib is no directory[^]*--bundle names/],
    ['a place and a directory', 'app AT --bundle x --output trust', 2, /--bundle names the file and --out/],
    ['a directory where the bundle is to go', 'app AT --bundle trust', 2, /trust is a directory/],
    ['no directory there', 'app AT --bundle no/where', 1, /cannot be written: there is no such directory/],
    ['the same file twice', 'lib lib AT', 2, /lib: another file would have the same bundle/],
    [
      'a bundle in the place of a file',
      'app AT --bundle app --force',
      2,
      /is to be signed, and the bundle of/,
    ],
    ['a bundle and JSON on stdout', 'app AT --bundle - --json', 2, /stdout, where --json would write/],
    ['two things from stdin', '- AT --token-file -', 2, /stdin can be only one of FILE and --token-file/],
    ['two ways to say where', 'lib AT --trust-config x', 2, /each say where to sign/],
    ['a signing config alone', 'lib --signing-config x', 2, /--signing-config needs --trusted-root/],
    ['two trusted roots', 'lib --trust-config x --trusted-root y', 2, /holds a trusted root already/],
    ['no trust config', 'lib --trust-config nowhere', 2, /--trust-config: nowhere does not exist/],
    ['what is no trust config', 'lib --trust-config app', 2, /--trust-config: app cannot be used/],
    [
      'a trusted root there',
      'lib --trust-config trust/trusted_root.json',
      2,
      /cannot be used[^]*client trust/,
    ],
    ['what is no token', 'lib AT --token-file app', 1, /not an identity token/],
    ['a flow that is none', 'lib AT --flow telepathy', 2, /--flow must be one of/],
  ];
  for (const [what, words, code, says] of wrong) {
    it(`says what is wrong with ${what}`, async () => {
      const typed = words.split(' ').flatMap((word) => (word === 'AT' ? atService() : [word]));
      const before = await readdir(directory);
      const result = await mayfly(['sign', ...typed], { env: {}, stdin: 'x' });
      expect(result.stdout + result.stderr).to.match(says);
      expect(result.code).to.equal(code);
      expect(await readdir(directory)).to.deep.equal(before);
    });
  }

  it('says it when nothing listens at the address', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const result = await mayfly(['sign', 'lib', '--url', `http://127.0.0.1:${port}`], { env: {} });
    expect(result).to.include({ code: 3, stdout: '' });
    expect(result.stderr).to.contain('cannot be reached: nothing listens there');
  });

  const wrongStatements: readonly (readonly [string, string[], RegExp])[] = [
    ['no predicate', ['--type', 'custom'], /--predicate is missing/],
    ['no type', ['--predicate', 'p.json'], /--type is missing/],
    [
      'a type that is none',
      ['--predicate', '-', '--type', 'sbom'],
      /--type: that is no predicate type[^]*spdxjson/,
    ],
    [
      'what is no JSON',
      ['--predicate', 'app', '--type', 'custom'],
      /--predicate is not a JSON object: the text is not JSON/,
    ],
    ['a member twice', ['--predicate', '-', '--type', 'custom'], /names "a" twice/],
    [
      'a predicate that is not there',
      ['--predicate', 'nowhere', '--type', 'custom'],
      /--predicate: nowhere does not exist/,
    ],
  ];
  for (const [what, args, says] of wrongStatements) {
    it(`says what is wrong with a statement: ${what}`, async () => {
      const words = ['attest', 'app', ...args, ...atService(), '--bundle', 'never.json'];
      const result = await mayfly(words, { env: {}, stdin: '{"a":1,"a":2}' });
      expect(result.stderr).to.match(says);
      expect(result).to.include({ code: 2, stdout: '' });
    });
  }

  it('refuses a certificate and a timestamp that the trusted root does not lead to, and says what to do', async () => {
    const other = await startDev({ data: at('other') });
    try {
      const words = [
        'trust',
        'export',
        '--data',
        other.data,
        '--public-url',
        other.url,
        '--out',
        'other-trust',
      ];
      expect((await runMayfly(words, { cwd: directory })).code).to.equal(0);
    } finally {
      await other.stop();
    }
    const foreign = await mayfly([
      'sign',
      'lib',
      ...atService(),
      '--trusted-root',
      'other-trust/trusted_root.json',
    ]);
    expect(foreign).to.include({ code: 1, stdout: '' });
    expect(foreign.stderr).to.match(
      /does not hold: [^]*sct: [^]*Nothing was written\. What you trust is of another service/,
    );
    const own = await json<Record<string, unknown>>('trust', 'trusted_root.json');
    const { timestampAuthorities } = await json<Record<string, unknown>>('other-trust', 'trusted_root.json');
    await writeFile(at('mixed.json'), JSON.stringify({ ...own, timestampAuthorities }));
    const mixed = await mayfly(['sign', 'lib', ...atService(), '--trusted-root', 'mixed.json']);
    expect(mixed).to.include({ code: 1, stdout: '' });
    expect(mixed.stderr).to.match(
      /the bundle of lib does not hold: time: [^]*Nothing was written\. Is the trusted root that of these/,
    );
    await writeFile(at('unlogged.json'), JSON.stringify({ ...own, ctlogs: [] }));
    const unlogged = await mayfly(['sign', 'lib', ...atService(), '--trusted-root', 'unlogged.json']);
    expect(unlogged.stderr).to.contain('names no log of certificates');
    expect(await readdir(directory)).to.not.include('lib.sigstore.json');
  });

  /** A timestamp authority in front of the real one. */
  async function authority(answer: (request: Buffer) => Promise<[number, Buffer | string]>): Promise<Server> {
    const server = createServer((request, response) => {
      void bodyOf(request)
        .then(answer)
        .then(([status, body]) => response.writeHead(status).end(body));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return server;
  }

  async function bodyOf(request: IncomingMessage): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  const granted = async (request: Buffer): Promise<Buffer> => {
    const headers = { 'content-type': 'application/timestamp-query' };
    const init = { method: 'POST', headers, body: Uint8Array.from(request) };
    return Buffer.from(await (await fetch(`${service.url}/api/v1/timestamp`, init)).arrayBuffer());
  };

  const liars: readonly (readonly [
    string,
    () => (request: Buffer) => Promise<[number, Buffer | string]>,
    RegExp,
    number,
  ])[] = [
    [
      'answers with the timestamp of another time',
      () => {
        let first: Promise<Buffer> | undefined;
        return async (request) => [200, await (first ??= granted(request))];
      },
      /granted no timestamp: its answer has not the nonce of the request/,
      1,
    ],
    [
      'answers with nonsense',
      () => () => Promise.resolve([200, 'nonsense']),
      /granted no timestamp: its answer cannot be used: /,
      1,
    ],
    [
      'says no',
      () => () => Promise.resolve([400, '{"message":"not today"}']),
      /granted no timestamp \(status 400\): not today/,
      1,
    ],
    [
      'has a fault of its own',
      () => () => Promise.resolve([500, '<html>']),
      /granted no timestamp \(status 500\)\n/,
      3,
    ],
  ];
  for (const [what, make, says, code] of liars) {
    it(`writes nothing when the timestamp authority ${what}`, async () => {
      const server = await authority(make());
      const { port } = server.address() as AddressInfo;
      const config = await json<{ tsaUrls: { url: string }[] }>('trust', 'signing_config.v0.2.json');
      const [tsa] = config.tsaUrls;
      const tsaUrls = [{ ...tsa, url: `http://127.0.0.1:${port}/timestamp` }];
      await writeFile(at('liar.json'), JSON.stringify({ ...config, tsaUrls }));
      const trust = ['--signing-config', 'liar.json', '--trusted-root', 'trust/trusted_root.json'];
      await mkdir(at('liar'), { recursive: true });
      const result = await mayfly(['sign', 'app', 'lib', '--output', 'liar', ...trust]);
      server.close();
      server.closeAllConnections();
      expect(result.stderr).to.match(says);
      expect(result).to.include({ code, stdout: '' });
      expect(await readdir(at('liar'))).to.deep.equal([]);
    });
  }

  it('writes nothing where the services name no log, and the trusted root has one that verifiers will ask for', async () => {
    const config = await json<Record<string, unknown>>('trust', 'signing_config.v0.2.json');
    expect(config['rekorTlogUrls']).to.have.length(1);
    await writeFile(at('unlogged.json'), JSON.stringify({ ...config, rekorTlogUrls: [] }));
    const trust = ['--signing-config', 'unlogged.json', '--trusted-root', 'trust/trusted_root.json'];
    const result = await mayfly(['sign', 'app', '--bundle', 'unlogged.sigstore.json', ...trust]);
    expect(result).to.include({ code: 1, stdout: '' });
    expect(result.stderr).to.match(/0 trusted artifact logs have entries in the bundle, wanted are 1/);
    expect(existsSync(at('unlogged.sigstore.json'))).to.equal(false);
  });

  it('says when nobody could verify it later, before the token is used where nobody could at all', async () => {
    const config = await json<{ rekorTlogUrls: object[] }>('trust', 'signing_config.v0.2.json');
    const [log] = config.rekorTlogUrls;
    const timeless = { ...config, rekorTlogUrls: [{ ...log, majorApiVersion: 2 }], tsaUrls: [] };
    await writeFile(at('timeless.json'), JSON.stringify(timeless));
    const trusted = ['--trusted-root', 'trust/trusted_root.json'];
    const unused = { env: { SIGSTORE_ID_TOKEN: 'none' } };
    const asked = ['sign', 'app', '--force', '--signing-config', 'timeless.json'];
    const refused = await mayfly([...asked, ...trusted], unused);
    expect(refused).to.include({ code: 2, stdout: '' });
    expect(refused.stderr).to.match(/log whose entries have no time, and no timestamp authority/);

    const root = await json<object>('trust', 'trusted_root.json');
    await writeFile(at('bare-root.json'), JSON.stringify({ ...root, tlogs: [], timestampAuthorities: [] }));
    await writeFile(at('bare.json'), JSON.stringify({ ...config, rekorTlogUrls: [], tsaUrls: [] }));
    const bare = [
      '--signing-config',
      'bare.json',
      '--trusted-root',
      'bare-root.json',
      '--bundle',
      'bare.sigstore.json',
    ];
    const signed = await mayfly(['sign', 'app', ...bare, '--force']);
    expect(signed.code, signed.stderr).to.equal(0);
    expect(signed.stdout).to.match(
      /Note: nothing says when it was signed: only until [\dT:Z-]+ can anybody verify/,
    );
    const [, next = ''] = /^Next: \S+ (.*)$/m.exec(signed.stdout) ?? [];
    const words = next.replaceAll("'", '').split(' ');
    const verified = await runMayfly(words, { cwd: directory });
    expect(verified.code, next + verified.stdout + verified.stderr).to.equal(0);
  });

  it('refuses a service that says nothing of whom to trust', async () => {
    const server = createServer((_, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    const result = await mayfly(['sign', 'lib', '--url', `http://127.0.0.1:${port}`]);
    server.close();
    expect(result).to.include({ code: 1, stdout: '' });
    expect(result.stderr).to.contain('--trust-config FILE');
  });

  it('signs with a service that has another name for itself, and sends no token elsewhere', async () => {
    const words = [
      'trust',
      'export',
      '--data',
      service.data,
      '--public-url',
      'https://ca.example.com',
      '--out',
      'public',
    ];
    expect((await runMayfly(words, { cwd: directory })).code).to.equal(0);
    // The logs of the directory have the name of another host, so that its clients are given none.
    const exported = await json<{ trustedRoot: object }>('public', 'client_trust_config.json');
    const config = JSON.stringify({ ...exported, trustedRoot: { ...exported.trustedRoot, tlogs: [] } });
    const asked: string[] = [];
    let said = config;
    const server = createServer((request, response) => {
      const { url = '', method = 'GET', headers } = request;
      asked.push(`${method} ${url}`);
      if (url.endsWith('/trust/client_trust_config.json')) response.end(said);
      else
        void bodyOf(request).then(async (body) => {
          const { authorization = '', 'content-type': contentType = '' } = headers;
          const answer = await fetch(service.url + url.slice('/ca'.length), {
            method,
            headers: { authorization, 'content-type': contentType },
            body: Uint8Array.from(body),
          });
          response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
        });
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    const sign = (bundle: string): Promise<MayflyResult> =>
      mayfly(['sign', 'app', '--bundle', bundle, '--url', `http://127.0.0.1:${port}/ca/`]);
    const result = await sign('proxied.json');
    expect(result.code, result.stderr).to.equal(0);
    expect(asked).to.deep.equal([
      'GET /ca/trust/client_trust_config.json',
      'POST /ca/api/v2/signingCert',
      'POST /ca/api/v1/timestamp',
    ]);
    await verify(await json('proxied.json'), await readFile(at('app')));
    // Another host on the word of the service alone, for one that the file of an operator would have to name.
    const elsewhere = {
      url: `http://localhost:${port}/ca/api/v1/timestamp`,
      majorApiVersion: 1,
      operator: 'x',
      validFor: { start: '2026-01-01T00:00:00Z' },
    };
    const parsed = JSON.parse(config) as { signingConfig: object };
    for (const services of [
      { tsaUrls: [elsewhere] },
      { rekorTlogUrls: [elsewhere], rekorTlogConfig: { selector: 'ANY' } },
    ]) {
      said = JSON.stringify({ ...parsed, signingConfig: { ...parsed.signingConfig, ...services } });
      asked.length = 0;
      const led = await sign('led.json');
      expect([led.code, asked], led.stderr).to.deep.equal([1, ['GET /ca/trust/client_trust_config.json']]);
      expect(led.stderr).to.contain(`leads to another host, localhost:${port}`);
    }
    server.close();
    server.closeAllConnections();
  });

  describe('and a log of signatures', () => {
    let log: Server;
    let answered: string[];
    let change: (entry: string) => string;

    before(async () => {
      const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      await writeFile(at('rekor.pem'), keys.publicKey.export({ format: 'pem', type: 'spki' }));
      // It knows its own URL.
      const rekor: { handler?: Awaited<ReturnType<typeof rekorOf>> } = {};
      log = createServer((request, response) => {
        void bodyOf(request)
          .then((body) => rekor.handler?.(body.toString()))
          .then((answer) => {
            answered.push(request.url ?? '');
            response.writeHead(answer?.statusCode ?? 500).end(change(String(answer?.response)));
          });
      });
      await new Promise<void>((resolve) => {
        log.listen(0, '127.0.0.1', resolve);
      });
      const url = `http://127.0.0.1:${(log.address() as AddressInfo).port}`;
      rekor.handler = await rekorOf(url, keys);
      const words = ['trust', 'export', '--data', service.data, '--public-url', service.url];
      const options = ['--rekor', url, '--rekor-key', 'rekor.pem', '--out', 'logged'];
      const exported = await runMayfly([...words, ...options], { cwd: directory });
      expect(exported.code, exported.stderr).to.equal(0);
      // A second time it is the same: nothing would be lost.
      expect((await runMayfly([...words, ...options], { cwd: directory })).code).to.equal(0);
    });

    beforeEach(() => {
      answered = [];
      change = (entry) => entry;
    });

    after(() => {
      log.close();
      log.closeAllConnections();
    });

    const rekorOf = async (
      url: string,
      keys: KeyPairKeyObjectResult,
    ): Promise<(body: string) => Promise<{ statusCode: number; response: unknown }>> =>
      rekorHandler(await initializeTLog(url, keys)).fn;

    const sign = (): Promise<MayflyResult> =>
      mayfly([
        'sign',
        'app',
        '--trust-config',
        'logged/client_trust_config.json',
        '--bundle',
        'logged.json',
        '--force',
      ]);

    it('has an entry of it in the bundle, which a verifier of others demands', async () => {
      const { code, stdout, stderr } = await sign();
      expect(code, stderr).to.equal(0);
      expect(stdout).to.contain('timestamp, log of signatures,');
      expect(answered).to.deep.equal(['/api/v1/log/entries']);
      const root = TrustedRoot.fromJSON(await json('logged', 'trusted_root.json'));
      const thresholds = { ctlogThreshold: 1, tlogThreshold: 1, timestampThreshold: 1 };
      const entity = toSignedEntity(bundleFromJSON(await json('logged.json')), await readFile(at('app')));
      new Verifier(toTrustMaterial(root), thresholds).verify(entity, {
        subjectAlternativeName: 'ada@example.com',
      });
      await rm(at('logged.json'));
    });

    const wrongEntries: readonly (readonly [string, (entry: string) => string, number, RegExp])[] = [
      [
        'an entry that is about something else',
        (entry) =>
          entry.replace(/"body":"([^"]*)"/, (_, body: string) => {
            const other = Buffer.from(body, 'base64')
              .toString()
              .replace(/("value":")../, '$100');
            return `"body":"${Buffer.from(other).toString('base64')}"`;
          }),
        1,
        /the log of signatures at http:\S+ answers with the entry of something else: .* another artifact than the bundle: /,
      ],
      [
        'another time',
        (entry) => entry.replace(/("integratedTime":)/, '$11'),
        1,
        /does not hold: entry-promise: /,
      ],
      ['nonsense', () => '{', 3, /the log of signatures at http:\S+ took no entry: /],
    ];
    for (const [what, wrong, code, says] of wrongEntries)
      it(`writes nothing when it answers ${what}`, async () => {
        change = wrong;
        const result = await sign();
        expect(result.stderr).to.match(says);
        expect(result).to.include({ code, stdout: '' });
        expect(await readdir(directory)).to.not.include('logged.json');
      });
  });
});
