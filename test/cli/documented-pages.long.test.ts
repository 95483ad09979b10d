/** The commands of the pages for users and operators, run as they stand there beside one service: that of docs/operations.md, "First start". */
import { spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { freePort } from '../../bench/free-port.ts';
import { documentedBlocks, runBlock } from '../support/documented-blocks.ts';
import { githubClaims } from '../support/github-claims.ts';
import { type MayflyProcess, startMayfly } from '../support/mayfly.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { projectRoot } from '../support/project-root.ts';
import { skipUnless } from '../support/skipped.ts';
import { bodyV2, clientKey, emailToken, post } from '../support/test-service.ts';
import { selfSigned } from '../support/tls-identity.ts';

const APP = 'https://github.com/acme/app';
const SIGNER = `${APP}/.github/workflows/release.yml@refs/heads/main`;
const COMMIT = '6dcb09b5b57875f334f61aebed695e2e4193db5e';
const hasProgram = (name: string): boolean => spawnSync(name, ['--version']).error === undefined;

describe('the pages for users and operators, to the letter', function () {
  this.timeout(300_000);
  let root: string;
  let data: string;
  let url: string;
  let people: TestIssuer;
  let github: TestIssuer;
  let service: MayflyProcess | undefined;
  let hooks: Server;
  const delivered: string[] = [];

  /** What stands for a value of the reader's own on all pages. */
  const samples = (): Record<string, string> => ({
    DIR: data,
    FILE: 'app.tar.gz',
    '/var/lib/mayfly': data,
    '/run/secrets/mayfly': join(root, 'pass'),
    '/media/safe': join(root, 'safe'),
    '/srv/log': join(root, 'copy'),
    '/srv/mirror': join(root, 'mirror'),
    'https://ca.example.com': url,
    'https://ca.example.org': url,
    'http://127.0.0.1:5555': url,
    'https://accounts.example.com': people.url,
    'https://login.example.com': people.url,
    'https://token.actions.githubusercontent.com': github.url,
  });

  /** The blocks of a section; there must be `count` of them. */
  async function blocksOf(page: string, section: string, count: number): Promise<readonly string[]> {
    const blocks = await documentedBlocks(page, section);
    expect(blocks, `${page}, ${section}`).to.have.length(count);
    return blocks;
  }

  const run = (block: string, values: Readonly<Record<string, string>> = {}, cwd = root): Promise<string> =>
    runBlock(block, cwd, { ...values, ...samples(), ...values });

  async function serve(block: string, ...more: readonly string[]): Promise<MayflyProcess> {
    let line = block.trim();
    for (const [said, value] of Object.entries(samples())) line = line.replaceAll(said, value);
    const [, ...words] = line.split(' ');
    const started = startMayfly([...words, '--metrics-listen', '127.0.0.1:0', ...more], { cwd: root });
    await started.firstLine;
    return started;
  }

  async function stop(): Promise<void> {
    service?.child.kill('SIGTERM');
    expect(await service?.ended).to.equal(0);
  }

  /** `block` with the token of a person, or of a job in a repository. */
  const as = async (repository: string | undefined, block: string): Promise<string> => {
    const token =
      repository === undefined
        ? await emailToken({ issuer: people }, { email: 'you@example.com' })
        : await github.sign(
            githubClaims({
              repository,
              sub: `repo:${repository}:ref:refs/heads/main`,
              job_workflow_ref: `${repository}/.github/workflows/release.yml@refs/heads/main`,
              sha: COMMIT,
            }),
          );
    return `export SIGSTORE_ID_TOKEN=${token}\n${block}`;
  };

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-pages-'));
    data = join(root, 'data');
    url = `http://127.0.0.1:${await freePort()}`;
    [people, github] = [await startIssuer(), await startIssuer()];
    hooks = createServer((request, response) => {
      void (async () => {
        delivered.push(Buffer.concat(await request.toArray()).toString());
        response.end();
      })();
    }).listen(0, '127.0.0.1');
    await once(hooks, 'listening');
    await mkdir(join(root, 'safe'));
    for (const [name, text] of [
      ['pass', 'of the server'],
      ['safe/root-passphrase', 'of the root'],
      ['webhook-token', 'of the webhook'],
    ] as const)
      await writeFile(join(root, name), `${text}\n`, { mode: 0o600 });
    for (const name of ['app', 'app.tar.gz', 'other']) await writeFile(join(root, name), `${name}\n`);

    const [init = '', start = ''] = await blocksOf('operations.md', 'First start', 2);
    await run(init);
    const config = join(data, 'config.yaml');
    const entry = (issuer: TestIssuer, type: string): string =>
      `\n  ${issuer.url}:\n    issuer-url: ${issuer.url}\n    client-id: sigstore\n    type: ${type}\n    mayfly: { rules: [{ name: everybody, allow: 'true' }] }`;
    const text = await readFile(config, 'utf8');
    const edited = text.replace(
      /^oidc-issuers:.*$/m,
      `oidc-issuers:${entry(people, 'email')}${entry(github, 'github-workflow')}`,
    );
    expect(edited, 'config.yaml').not.to.equal(text);
    await writeFile(config, edited);
    service = await serve(start, '--listen', new URL(url).host);
    await run('mayfly trust export --data /var/lib/mayfly --out trust');
    await cp(join(root, 'trust/trusted_root.json'), join(root, 'trusted_root.json'));
  });
  after(async () => {
    service?.child.kill('SIGTERM');
    await service?.ended;
    hooks.close();
    await Promise.all([people.close(), github.close()]);
    await rm(root, { recursive: true });
  });

  it('signs a file and a statement by docs/signing.md', async () => {
    const [sign = ''] = await blocksOf('signing.md', 'Sign a file', 1);
    const [attest = ''] = await blocksOf('signing.md', 'Say something of a file', 1);
    await writeFile(join(root, 'sbom.spdx.json'), '{"spdxVersion":"SPDX-2.3"}');
    await run(await as(undefined, sign));
    await run(await as(undefined, attest));
    for (const bundle of ['app.tar.gz.sigstore.json', 'app.tar.gz.spdx.sigstore.json'])
      await run(`mayfly verify bundle ${bundle} --artifact app.tar.gz --trusted-root trust --any-identity`);
  });

  it('verifies both by docs/verify.md', async () => {
    const [verify = ''] = await blocksOf('verify.md', 'Verify a bundle', 1);
    const [attestation = ''] = await blocksOf('verify.md', 'Attestations', 1);
    await run(await as(undefined, 'mayfly sign app --url https://ca.example.com'));
    expect(await run(verify)).to.match(/^Verified: signed by you@example\.com/m);
    const provenance = { runDetails: { builder: { id: 'https://builder.example' } } };
    await writeFile(join(root, 'provenance.json'), JSON.stringify(provenance));
    const attest =
      'mayfly attest app --predicate provenance.json --type https://slsa.dev/provenance/v1 --bundle app.att.sigstore.json';
    await run(await as('our-org/app', `${attest} --url https://ca.example.com`));
    expect(await run(attestation)).to.match(/^Verified: signed by https:\/\/github\.com\/our-org\//m);
  });

  it('fetches, shows and compares trust by docs/trust.md', async () => {
    const [first = '', again = ''] = await blocksOf('trust.md', 'How clients get them', 2);
    const [show = ''] = await blocksOf('trust.md', 'What is trusted now, and what changes', 1);
    const reader = join(root, 'reader');
    await mkdir(reader);
    const SHA256 = createHash('sha256')
      .update(await readFile(join(data, 'tuf/1.root.json')))
      .digest('hex');
    await run(first, { SHA256 }, reader);
    await run(again, {}, reader);
    expect(await run(show, {}, reader)).to.match(/^KIND +STATE +FROM/m);
  });

  it('begins with the TUF repository by docs/tuf.md', async function () {
    const [cosign = '', sigstore = ''] = await blocksOf('tuf.md', 'How clients begin', 2);
    const SHA256 = createHash('sha256')
      .update(await readFile(join(data, 'tuf/1.root.json')))
      .digest('hex');
    const [curl = '', instance = ''] = sigstore.split('\n');
    skipUnless(this, hasProgram('curl') && hasProgram('sha256sum'), 'there is no curl or no sha256sum');
    expect(await run(curl, { SHA256 })).to.equal('root.json: OK\n');
    for (const [program, line] of [
      ['cosign', cosign],
      ['sigstore', instance],
    ] as const)
      if (hasProgram(program)) await run(line, { SHA256 });
      else console.warn(`      NOT TESTED: there is no ${program}`);
  });

  it('asks for a timestamp and verifies it by docs/timestamps.md', async function () {
    const [ask = ''] = await blocksOf('timestamps.md', 'Ask for one', 1);
    const [verify = ''] = await blocksOf('timestamps.md', 'Verify one', 1);
    skipUnless(this, hasProgram('curl') && hasProgram('openssl'), 'there is no curl or no openssl');
    await run(ask);
    expect(await run(verify)).to.match(/^ok +signature/m);
  });

  it('says by docs/explain.md what a token would get', async () => {
    const [explain = ''] = await blocksOf('explain.md', 'One token', 1);
    await cp(join(data, 'config.yaml'), join(root, 'config.yaml'));
    const claims = { iss: people.url, aud: 'sigstore', sub: 'you', email: 'you@example.com' };
    await writeFile(join(root, 'job.json'), JSON.stringify({ ...claims, email_verified: true }));
    expect(await run(explain.replace(/^\$ /, ''))).to.include('you@example.com');
  });

  it('reads, checks, searches, watches, proves and copies the log by docs/log.md', async function () {
    skipUnless(this, hasProgram('curl') && hasProgram('xxd'), 'there is no curl or no xxd');
    for (let certificate = 0; certificate < 2; certificate++) {
      const token = await emailToken({ issuer: people });
      expect(await post(`${url}/api/v2/signingCert`, bodyV2(token, clientKey()))).to.include({ status: 200 });
    }
    await run(await as('acme/app', 'mayfly sign other --url https://ca.example.com'));
    const bundle = JSON.parse(await readFile(join(root, 'other.sigstore.json'), 'utf8')) as {
      verificationMaterial: { certificate: { rawBytes: string } };
    };
    const certificate = Buffer.from(bundle.verificationMaterial.certificate.rawBytes, 'base64');
    await writeFile(join(root, 'cert.pem'), new X509Certificate(certificate).toString());
    const HEX = createHash('sha256').update('other\n').digest('hex');
    // The copy of the checkpoint in the directory is up to a second late.
    const head = async (): Promise<string> => (await fetch(`${url}/log/2026/checkpoint`)).text();
    const size = (await head()).split('\n')[1] ?? '';
    while ((await readFile(join(data, 'logs/2026/checkpoint'), 'utf8')).split('\n')[1] !== size)
      await delay(100);

    const [curl = ''] = await blocksOf('log.md', 'Read it with curl', 1);
    const read = await run(curl);
    expect(read).to.match(/^ca\.example\.com\/log\/2026\n/);
    expect(read).to.include('"sha256_root_hash"').and.include('"leaf_input"').and.include('"consistency"');
    expect(read).to.match(/(?:[0-9a-f]{64}\n){3}/);

    const [files = '', shown = ''] = await documentedBlocks('log.md', 'Audit from files');
    const shape = (text: string): string =>
      text
        .replaceAll(/[A-Za-z0-9+/]{43}=/g, 'HASH')
        .replaceAll(/20\d\d-\d\d-\d\dT[\d:]+Z/g, 'TIME')
        .replaceAll(/\b\d+ (entries|tiles|issuers)/g, 'N $1')
        .replaceAll(/^size .*$/gm, 'size   N');
    const lines = shape(await run(files)).split('\n');
    for (const line of shape(shown).trimEnd().split('\n')) expect(lines).to.include(line);

    const [overHttp = '', ctclient = ''] = await blocksOf('log.md', 'Audit over HTTP', 2);
    expect(await run(overHttp)).to.match(/^ok: \d+ entries/m);
    expect(ctclient).to.match(/^go install .*ctclient@/);

    const index = (await run('mayfly log show --certificate cert.pem --data DIR --json')).trim();
    const entry = JSON.parse(index) as { index: number };
    const [who = ''] = await blocksOf('log.md', 'Who got certificates', 1);
    const got = await run(who, { COMMIT, '4711': String(entry.index) });
    expect(got.split(SIGNER).length).to.be.above(4);
    const [what = ''] = await blocksOf('log.md', 'Who signed what', 1);
    expect(await run(what, { HEX, 'you@example.com': SIGNER }))
      .to.include(`sha256:${HEX}`)
      .and.include('"uses"');

    const [watch = ''] = await blocksOf('log.md', 'Watch the logs', 1);
    const { port } = hooks.address() as AddressInfo;
    // The first line goes on for ever.
    const forever = '--webhook-token-file webhook-token';
    const values = {
      [forever]: `${forever} --once`,
      'https://alerts.example.com': `http://127.0.0.1:${port}`,
    };
    await run(watch, values);
    await run(await as('acme/app', 'mayfly sign other --url https://ca.example.com --force'));
    // Of the directory it keeps another state.
    await run(watch.replace(/\nmayfly log watch --data [^]*$/, '\n'), values);
    expect(delivered.join('\n')).to.include(APP);

    const [proof = ''] = await blocksOf('log.md', 'Proof for one certificate', 2);
    const URL_LINE = 'URL=https://ca.example.com/log/2026\n';
    expect(
      await run(URL_LINE + proof, {
        'you@example.com': SIGNER,
        'https://login.example.com': github.url,
      }),
    ).to.match(/^ok +inclusion/m);
    const [, printed = ''] = await documentedBlocks('log.md', 'Proof for one certificate');
    const form = (text: string): string =>
      text
        .replaceAll(/(?:^[A-Za-z0-9+/]{43}=\n)+(?:…\n)?/gm, 'HASHES\n')
        .replaceAll(/^(index )?\d+$/gm, '$1N')
        .replaceAll(/^(— \S+) .*$/gm, '$1 SIGNATURE');
    expect(form(await readFile(join(root, 'cert.tlog-proof'), 'utf8'))).to.equal(form(printed));

    const [one = ''] = await blocksOf('log.md', 'Proof for one entry of a log of artifacts', 1);
    await cp(join(root, 'other.sigstore.json'), join(root, 'artifact.sigstore.json'));
    await run(one, { '4711': '1' });

    const [copy = ''] = await documentedBlocks('log.md', 'Serve a log from its files');
    expect(await run(copy)).to.match(/^ok: \d+ entries/m);

    const [mirror = '', said = ''] = await documentedBlocks('log.md', 'Mirror a log');
    const mirrored = await run(mirror);
    expect(mirrored).to.match(/^ok: \d+ entries/m);
    const counted = (text: string): string =>
      text.replaceAll(/\b\d+ /g, 'N ').replaceAll(/ in \S+:/g, ' in DIRECTORY:');
    expect(counted(mirrored)).to.include(counted(said).trimEnd());
  });

  it('searches over HTTP by docs/http-api.md, and from the command line by docs/rekor.md', async function () {
    skipUnless(this, hasProgram('curl'), 'there is no curl');
    const [search = ''] = await documentedBlocks('http-api.md', 'Searches');
    const answer = await run(`URL=https://ca.example.com\n${search}`, {
      'alice@example.com': 'you@example.com',
    });
    expect((JSON.parse(answer) as { entries: unknown[] }).entries).not.to.deep.equal([]);
    const [rekor = ''] = await blocksOf('rekor.md', 'Searching', 1);
    const HEX = createHash('sha256').update('other\n').digest('hex');
    expect(await run(rekor, { HEX })).to.include(HEX);
  });

  it('verifies with a signed deny list by docs/deny-list.md', async function () {
    skipUnless(this, hasProgram('openssl'), 'there is no openssl');
    const [sign = ''] = await blocksOf('deny-list.md', 'Whose list it is', 1);
    const page = await readFile(join(projectRoot, 'docs/deny-list.md'), 'utf8');
    const [, verify = ''] = /^```\n(mayfly verify [^]*?)^```$/m.exec(page) ?? [];
    const [, list = ''] = /^```json\n([^]*?)^```$/m.exec(page) ?? [];
    const until = new Date(Date.now() + 86_400_000).toISOString();
    await writeFile(join(root, 'deny.json'), list.replace('2026-12-31T00:00:00Z', until));
    await run(sign);
    const who = { '--identity … --issuer …': `--identity ${SIGNER} --issuer ${github.url}` };
    expect(await run(verify, who)).to.match(/^ok +deny/m);
  });

  it('makes a CA on another machine, with a transcript, by docs/keys-and-backups.md', async () => {
    const [ceremony = '', transcript = ''] = await blocksOf('keys-and-backups.md', 'Root key ceremony', 2);
    const safe = join(root, 'offline');
    await mkdir(safe);
    await cp(join(root, 'pass'), join(safe, 'passphrase'));
    await cp(join(root, 'safe/root-passphrase'), join(safe, 'root-passphrase'));
    const rsync: Record<string, string> = hasProgram('rsync') ? {} : { 'rsync -a': 'cp -a' };
    await run(ceremony, { ...rsync, 'server:/var/lib/mayfly/': join(safe, 'server') }, safe);
    const chain = await readFile(join(safe, 'server/ca/chain.pem'), 'utf8');
    await writeFile(join(safe, 'root.pem'), chain.slice(chain.lastIndexOf('-----BEGIN')));
    await run('mayfly ca renew --data server --csr request.pem --passphrase-file passphrase', {}, safe);
    await run(transcript, {}, safe);
    expect(await readFile(join(safe, 'ceremony.txt'), 'utf8')).to.include('ca sign');
  });

  describe('with the service stopped', () => {
    before(stop);

    /** A copy of the directory, for what cannot be undone. */
    async function copied(name: string): Promise<Record<string, string>> {
      await cp(data, join(root, name), { recursive: true, preserveTimestamps: true });
      return { DIR: join(root, name), '/var/lib/mayfly': join(root, name) };
    }

    it('ends the log, and puts another one in its place, by docs/log.md', async () => {
      const [freeze = ''] = await blocksOf('log.md', 'End a log', 1);
      await run(freeze, await copied('ended'));
      const [rotate = ''] = await blocksOf('log.md', 'A new log', 1);
      expect(await run(rotate, await copied('rotated'))).to.include('log/');
    });

    it('puts another log of artifacts in the place of one by docs/rekor.md', async () => {
      const blocks = await blocksOf('rekor.md', 'Another log in its place', 2);
      const values = await copied('followed');
      for (const block of blocks)
        await run(block, { ...values, 'systemctl stop mayfly': ':', 'systemctl start mayfly': ':' });
      expect(await run('mayfly rekor show --data DIR', values)).to.include('v1-2, in use');
    });

    it('serves gRPC by docs/grpc.md', async () => {
      const [listeners = ''] = await blocksOf('grpc.md', 'Listeners', 1);
      const { cert, key } = await selfSigned('localhost', '127.0.0.1');
      await writeFile(join(root, 'cert.pem'), cert);
      await writeFile(join(root, 'key.pem'), key);
      for (const line of listeners.trim().split('\n')) {
        const here = line.replace(/0\.0\.0\.0:443|127\.0\.0\.1:5554/, '127.0.0.1:0');
        const own = here.includes(' --listen ') ? [] : ['--listen', '127.0.0.1:0'];
        service = await serve(here, ...own, '--passphrase-file', join(root, 'pass'));
        await stop();
      }
    });
  });
});
