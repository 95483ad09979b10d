import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { encodePem } from '../../../core/pem.ts';
import type { Issued } from '../../ct-log/support/issuing-log.ts';
import { encodeVkey } from '../../../tlog/format/vkey.ts';
import { parseTlogProof } from '../../../tlog/format/tlog-proof.ts';
import { utf8 } from '../../../core/bytes.ts';
import type { CtLog } from '../../../ct-log/ct-log.ts';
import { logKeys } from '../../../ct-log/log-keys.ts';
import { issuingLog, type IssuingLog } from '../../ct-log/support/issuing-log.ts';
import { logSigners } from '../../ct-log/support/log-keys.ts';
import { serveReader } from '../../ct-log/support/serve-reader.ts';
import { createCtLog } from '../../../ct-log/create-log.ts';
import { giveToOrdinaryUser, needOrdinaryUser, ordinaryUser } from '../../support/ordinary-user.ts';
import { type MayflyResult, runMayfly } from '../../support/mayfly.ts';

const json = ({ stdout }: MayflyResult): Record<string, unknown> =>
  JSON.parse(stdout) as Record<string, unknown>;

describe('cli/log/log', function () {
  this.timeout(120_000);
  let test: IssuingLog;
  let log: CtLog;
  let issued: Issued[];
  let certificate: string;
  let trust: string;
  let server: Awaited<ReturnType<typeof serveReader>>;
  before(async () => {
    test = await issuingLog();
    await (await test.issue(300)).log.close();
    ({ log, issued } = await test.issue(5));
    certificate = join(test.root, 'cert.pem');
    writeFileSync(certificate, encodePem('CERTIFICATE', issued[0]?.certificate ?? new Uint8Array()));
    trust = join(test.root, 'trust');
    mkdirSync(trust);
    writeFileSync(
      join(trust, 'log.vkey'),
      logKeys(test.identity)
        .map((key) => `${encodeVkey(key)}\n`)
        .join(''),
    );
    server = await serveReader(log.reader);
  });
  after(async () => {
    await server.close();
    await test.remove();
  });

  const run = (...args: string[]): Promise<MayflyResult> => runMayfly(['log', ...args]);

  it('says size and time of a log that a server writes at this moment', async () => {
    const result = await run('status', '--data', test.directory, '--json');
    expect(result.code).to.equal(0);
    const logId = Buffer.from(test.identity.logId).toString('base64');
    expect(json(result)).to.include({ origin: 'localhost/log/2026', size: 305, keys: 'directory', logId });
    const text = await run('status', '--url', server.url, '--trust', trust);
    expect(text.stdout).to.match(/^size {3}305$/m);
    expect(text.stderr).to.equal('');
  });

  it('checks the log beside its writer, and over HTTP with a note on whose word it took', async () => {
    const local = await run('check', '--data', test.directory);
    expect(local).to.include({ code: 0, stderr: '' });
    expect(local.stdout).to.match(/^ok: 305 entries, \d+ tiles and 2 issuers of localhost\/log\/2026/);
    const remote = await run('check', '--url', server.url);
    expect(remote.code).to.equal(0);
    expect(remote.stderr).to.include("the server's own word");
    expect(json(await run('check', '--url', server.url, '--trust', trust, '--json'))).to.include({
      ok: true,
    });
  });

  it('takes whom to trust by either name of the option, and says what a file lacks', async () => {
    for (const name of ['--trust', '--trusted-root'])
      for (const word of ['status', 'check']) {
        const { code, stderr } = await run(word, '--url', server.url, name, trust);
        expect([code, stderr], `${word} ${name}`).to.deep.equal([0, '']);
        const file = join(trust, 'log.vkey');
        const lacking = await run(word, '--url', server.url, name, file);
        // Nothing was judged.
        expect([2, 3], `${word} ${name}`).to.include(lacking.code);
        expect(lacking.stderr).to.match(
          /log\.vkey is a file, and log\.vkey is wanted beside it\n.*the directory/,
        );
      }
    const both = await run('status', '--url', server.url, '--trust', trust, '--trusted-root', trust);
    expect(both.code).to.equal(2);
    expect(both.stderr).to.include('give --trusted-root or --trust, not both');
    const alone = await run('status', '--trusted-root', trust);
    expect(alone.stderr).to.include('give either --data or --url');
  });

  it('finds the log of a service by its list, and asks when there are several', async () => {
    const reader = await serveReader(log.reader);
    const names: string[] = [];
    const server = createServer((request, response) => {
      const { url = '' } = request;
      if (url === '/log/') response.end(JSON.stringify({ logs: names.map((name) => ({ name })) }));
      // Of a log of artifacts, which is none of these.
      else if (url === '/checkpoint')
        response.end(`127.0.0.1\n1\n${'A'.repeat(43)}=\n\n— 127.0.0.1 AAAAAAAA\n`);
      else if (!/^\/log\/(?:2026|2026b)\//.test(url)) response.writeHead(404).end();
      else
        void fetch(url.replace(/^\/log\/[^/]+/, reader.url)).then(async (answer) => {
          response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
        });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const none = await run('status', '--url', base);
    expect([none.code, none.stderr]).to.deep.equal([3, `mayfly: the service at ${base} has no log\n`]);
    names.push('2026');
    expect(json(await run('status', '--url', `${base}/`, '--trust', trust, '--json'))).to.include({
      size: 305,
      source: `${base}/log/2026`,
    });
    names.push('2027');
    const several = await run('status', '--url', base, '--trust', trust);
    expect(several.code).to.equal(2);
    expect(several.stderr).to.include('--log: 2026, 2027');
    const chosen = await run('status', '--url', base, '--log', '2026', '--trust', trust);
    expect(chosen.code, chosen.stderr).to.equal(0);
    // Another log of the service in the place of the one that is named, or listed.
    const both = join(test.root, 'trust-of-both');
    mkdirSync(both);
    const { treeHead, checkpoint } = logSigners();
    const second = logKeys({
      origin: 'localhost/log/2026b',
      publicKey: treeHead.publicKey,
      ed25519PublicKey: checkpoint.publicKey.subarray(-32),
    });
    const keysOfBoth = [...logKeys(test.identity), ...second].map((key) => `${encodeVkey(key)}\n`).join('');
    writeFileSync(join(both, 'log.vkey'), keysOfBoth);
    names.splice(0, 2, '2026b');
    const meant = [
      ['--url', base, '--log', '2026b'],
      ['--url', `${base}/log/2026b`],
      ['--url', base],
    ];
    for (const words of meant)
      for (const command of [
        ['status'],
        ['check'],
        ['list'],
        ['search', '--identity', 'x'],
        ['proof', certificate],
      ]) {
        const [word = '', ...rest] = command;
        const replaced = await run(word, ...rest, ...words, '--trust', both);
        if (word === 'proof' && words.length === 2 && words[1] === base) {
          // Nothing names a log: the certificate is looked for in the one that its SCT is of.
          expect(replaced.code, replaced.stderr).to.equal(0);
          continue;
        }
        expect(replaced.code, `${word} ${words.join(' ')}`).to.equal(1);
        expect(replaced.stdout + replaced.stderr).to.include(
          'is not the log 2026b, but "localhost/log/2026"',
        );
      }
    const own = await run('status', '--url', `${base}/log/2026b`);
    expect([own.code, own.stderr.includes('is not the log 2026b')]).to.deep.equal([1, true]);
    const unknown = await run('check', '--url', `${base}/log/2026b`, '--trust', trust);
    expect([unknown.code, unknown.stderr.includes('--trust knows no log called 2026b')]).to.deep.equal([
      3,
      true,
    ]);
    expect((await run('check', '--url', `${base}/log/2026`, '--trust', both)).code).to.equal(0);
    names.push('../secret');
    expect((await run('status', '--url', base)).stderr).to.include('cannot be understood');
    server.closeAllConnections();
    server.close();
    await reader.close();
  });

  it('shows the access token of a log, to that log and only where nobody can read along', async () => {
    const reader = await serveReader(log.reader);
    const seen = new Set<string | undefined>();
    const server = createServer((request, response) => {
      const { authorization } = request.headers;
      seen.add(authorization);
      const url = new URL(request.url ?? '', reader.base);
      if (authorization !== 'Bearer the-log-token') response.writeHead(401).end();
      else if (url.pathname === '/log/') response.end('{"logs":[{"name":"2026"}]}');
      else
        void fetch(url).then(async (answer) => {
          response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
        });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const file = join(test.root, 'log-token');
    writeFileSync(file, 'the-log-token\n');
    const token = ['--access-token-file', file];
    for (const url of [base, `${base}/log/2026`]) {
      const checked = await run('check', '--url', url, '--trust', trust, ...token);
      expect(checked.code, checked.stderr).to.equal(0);
    }
    expect((await run('status', '--url', base, ...token)).stdout).to.include('size   305');
    expect((await run('proof', certificate, '--url', base, '--trust', trust, ...token)).code).to.equal(0);
    expect([...seen]).to.deep.equal(['Bearer the-log-token']);
    const without = await run('status', '--url', base);
    expect(without.code).to.equal(3);
    expect(without.stderr).to.include('--access-token-file');
    const plain = await run('status', '--url', 'http://ca.example.com', ...token);
    expect(plain.stderr).to.include('plain HTTP');
    expect((await run('status', '--data', test.directory, ...token)).code).to.equal(2);
    server.closeAllConnections();
    server.close();
    await reader.close();
  });

  it('writes a proof to stdout or to a file', async () => {
    const result = await run('proof', certificate, '--url', server.url, '--trust', trust);
    expect(result.code).to.equal(0);
    expect(parseTlogProof(utf8(result.stdout)).index).to.equal(issued[0]?.committed.index);
    const out = join(test.root, 'cert.tlog-proof');
    const proven = await run(
      'proof',
      certificate,
      '--url',
      server.url,
      '--trust',
      trust,
      '--out',
      out,
      '--json',
    );
    expect(json(proven)).to.include({ index: issued[0]?.committed.index, size: 305, out });
    expect(readFileSync(out, 'utf8')).to.equal(result.stdout);
  });

  it('names the first wrong byte and exits 1', async () => {
    const file = join(test.directory, 'tile/0/000');
    const good = readFileSync(file);
    const bad = Buffer.from(good);
    bad[70] = (bad[70] ?? 0) ^ 0x80;
    chmodSync(file, 0o600);
    writeFileSync(file, bad);
    const text = await run('check', '--data', test.directory);
    const object = await run('check', '--data', test.directory, '--json');
    writeFileSync(file, good);
    expect(text).to.include({
      code: 1,
      stdout: 'WRONG: tile/0/000 at byte 70: hash 2 is not that of entry 2\n',
    });
    expect(object.code).to.equal(1);
    expect(json(object)).to.include({ ok: false, where: 'tile/0/000 at byte 70' });
  });

  it('finds what a server changes, whatever its keys', async () => {
    const liar = await serveReader(log.reader, (path, bytes) => {
      if (path !== 'tile/data/000') return bytes;
      const changed = Uint8Array.from(bytes);
      changed[500] = (changed[500] ?? 0) ^ 1;
      return changed;
    });
    const result = await run('check', '--url', liar.url, '--trust', trust);
    await liar.close();
    expect(result.code).to.equal(1);
    expect(result.stdout).to.include('WRONG: tile/data/000 at byte 500: entry 0');
  });

  it('does not believe a checkpoint that the trusted keys did not sign', async () => {
    const other = join(test.root, 'other-trust');
    mkdirSync(other);
    const { treeHead, checkpoint } = logSigners();
    const keys = logKeys({
      origin: 'localhost/log/2026',
      publicKey: treeHead.publicKey,
      ed25519PublicKey: checkpoint.publicKey.subarray(-32),
    });
    writeFileSync(join(other, 'log.vkey'), keys.map((key) => `${encodeVkey(key)}\n`).join(''));
    const remote = await run('check', '--url', server.url, '--trust', other);
    expect(remote.code).to.equal(1);
    expect(remote.stdout).to.match(/^WRONG: checkpoint: .*no signature of a known key/);
    expect(json(await run('check', '--url', server.url, '--trust', other, '--json'))).to.include({
      ok: false,
      where: 'checkpoint',
    });
    const local = await run('check', '--data', test.directory, '--trust', other);
    expect(local.code).to.equal(3);
    expect(local.stderr).to.include('not the one that --trust knows');
  });

  it('asks which log when there are several', async () => {
    const data = join(test.root, 'data');
    const { treeHead, checkpoint } = logSigners();
    for (const name of ['2025', '2026']) {
      await createCtLog({
        directory: join(data, 'logs', name),
        origin: `localhost/log/${name}`,
        sctExtensions: 'none',
        ecdsaPublicKey: treeHead.publicKey,
        ed25519PublicKey: checkpoint.publicKey.subarray(-32),
        clock: Date.now,
      });
    }
    const result = await run('status', '--data', data);
    expect(result.code).to.equal(2);
    expect(result.stderr).to.include('--log: 2025, 2026');
    expect(json(await run('status', '--data', data, '--log', '2025', '--json'))).to.include({ size: 0 });
    // The option's former name.
    expect((await run('check', '--data', data, '--name', '2025')).stdout).to.match(/^ok: 0 entries/);
    writeFileSync(join(data, 'logs', '.current'), '2026\n');
    expect((await run('status', '--data', data)).stdout).to.match(/^log {4}localhost\/log\/2026$/m);
  });

  it('distinguishes a directory that may not be read from one that holds no log', async function () {
    needOrdinaryUser(this);
    const data = join(test.root, 'closed');
    const identity = join(data, 'logs', '2026', 'log.json');
    mkdirSync(dirname(identity), { recursive: true });
    writeFileSync(identity, '{}');
    chmodSync(test.root, 0o711);
    await giveToOrdinaryUser(data);
    for (const closed of [dirname(identity), join(data, 'logs'), data]) {
      chmodSync(closed, 0);
      const { code, stderr } = await runMayfly(['log', 'check', '--data', data], { user: ordinaryUser });
      chmodSync(closed, 0o700);
      expect(code).to.equal(3);
      expect(stderr, closed).to.include('cannot be read\n  Check its owner and mode').and.include(closed);
    }
  });

  it('exits with 3 when a log cannot be judged, and with 1 when it is wrong or has no such certificate', async () => {
    const answers = new Map<string, number>();
    const busy = createServer((request, response) => {
      const path = request.url?.replace('/log/2026/', '') ?? '';
      const status = answers.get(path) ?? answers.get('*');
      if (status !== undefined) response.writeHead(status, { 'retry-after': '3600' }).end('later');
      else
        void fetch(`${server.url}/${path}`).then(async (answer) => {
          response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
        });
    }).listen(0, '127.0.0.1');
    await once(busy, 'listening');
    const url = `http://127.0.0.1:${(busy.address() as AddressInfo).port}/log/2026`;
    const target = ['--url', url, '--trust', trust];
    for (const [path, status] of [
      ['*', 401],
      ['*', 503],
      ['tile/0/000', 500],
      ['tile/0/000', 503],
    ] as const) {
      answers.clear();
      answers.set(path, status);
      const result = await run('check', ...target, '--json');
      expect(result.code, `${status} ${path}`).to.equal(3);
      expect(json(result), `${status} ${path}`).to.have.nested.property('error.code');
      expect(json(result)).not.to.have.property('ok');
    }
    answers.clear();
    answers.set('tile/0/000', 404);
    const missing = await run('check', ...target, '--json');
    expect([missing.code, json(missing)['where']]).to.deep.equal([1, 'tile/0/000']);
    answers.set('*', 503);
    expect((await run('proof', certificate, ...target)).code).to.equal(3);
    answers.clear();
    busy.closeAllConnections();
    busy.close();
    expect((await run('check', ...target)).code, 'nothing listens').to.equal(3);
    const unlogged = join(test.root, 'unlogged.pem');
    writeFileSync(unlogged, encodePem('CERTIFICATE', test.ca.authority.chain[0] ?? new Uint8Array()));
    expect((await run('proof', unlogged, '--url', server.url, '--trust', trust)).code).to.equal(1);
  });

  it('says what to do when it is used wrongly', async () => {
    const neither = await run('status');
    expect(neither).to.include({ code: 2 });
    expect(neither.stderr).to.include('--data or --url');
    expect((await run('status', '--url', 'localhost')).code).to.equal(2);
    const secret = await run('status', '--url', 'http://ada:hunter2@127.0.0.1:1/log/2026');
    expect(secret.code).to.equal(2);
    expect(secret.stderr).to.include('--access-token-file').and.not.include('hunter2');
    expect((await run('status', '--data', join(test.root, 'nowhere'))).stderr).to.include('mayfly init');
    const refused = await run('status', '--url', 'http://127.0.0.1:1/log/2026');
    expect(refused.code).to.equal(3);
    expect(refused.stderr).to.include('cannot be read');
    expect((await run('status', '--url', `${server.base}/nowhere`)).stderr).to.include('/log/NAME');
    const noPem = await run('proof', join(trust, 'log.vkey'), '--data', test.directory);
    expect(noPem.code).to.equal(2);
    expect(noPem.stderr).to.match(/log\.vkey.*certificate/);
    expect((await run('proof', '--help')).stdout).to.include('Examples:');
  });
});
