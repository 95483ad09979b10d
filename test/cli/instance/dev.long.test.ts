import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { CommandError } from '../../../cli/program/command.ts';
import { requireLocal } from '../../../cli/instance/local-only.ts';
import { call, grpcClient, type GrpcClient } from '../../server/grpc/support/grpc-client.ts';
import { runBlock } from '../../support/documented-blocks.ts';
import { projectRoot } from '../../support/project-root.ts';
import { clientKey } from '../../support/test-service.ts';
import { selfSigned } from '../../support/tls-identity.ts';
import { type DevMayfly, mayflyWords, runMayfly, startDev } from '../../support/mayfly.ts';

const ANYWHERE = ['--listen', '--issuer-listen', '--metrics-listen'].flatMap((name) => [name, '127.0.0.1:0']);

describe('mayfly dev', function () {
  this.timeout(60_000);
  let directory: string;
  let running: DevMayfly | undefined;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-dev-'));
  });

  afterEach(async () => {
    await running?.stop('SIGKILL');
    running = undefined;
  });

  after(async () => {
    await rm(directory, { recursive: true });
  });

  /** An address that nothing listens on now. */
  async function freeAddress(): Promise<string> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    return `127.0.0.1:${port}`;
  }

  const portOf = (url: string): string => new URL(url).port;

  async function certificateFor(instance: DevMayfly, out: string): Promise<string> {
    const token = await runMayfly(['token', '--email', 'ada@example.com', '--data', instance.data]);
    const { code, stdout, stderr } = await runMayfly(
      ['certificate', '--url', instance.url, '--out', out, '--json'],
      {
        env: { SIGSTORE_ID_TOKEN: token.stdout },
      },
    );
    expect(code, stdout + stderr).to.equal(0);
    return stdout;
  }

  it('makes a marked directory, runs everything, and ends in order when asked', async () => {
    const data = join(directory, 'fresh');
    running = await startDev({ data });
    expect(JSON.parse(await readFile(join(data, 'mayfly.json'), 'utf8'))).to.include({ mode: 'dev' });
    expect((await stat(data)).mode & 0o777).to.equal(0o700);
    expect((await fetch(`${running.url}/healthz`)).status).to.equal(200);
    expect((await fetch(`${running.logUrl}/checkpoint`)).status).to.equal(200);
    expect((await fetch(`${running.metricsUrl}/metrics`)).status).to.equal(200);
    const discovery = await fetch(`${running.issuerUrl}/.well-known/openid-configuration`);
    expect(await discovery.json()).to.include({ issuer: running.issuerUrl });
    const bundle = (await (await fetch(`${running.url}/api/v1/rootCert`)).text()).length;
    expect(bundle).to.be.above(0);
    expect(JSON.parse(await certificateFor(running, join(directory, 'out')))).to.include({
      identity: 'ada@example.com',
      issuer: running.issuerUrl,
    });
    expect(await running.stop('SIGINT')).to.equal(0);
  });

  /** Signs with a stock client of gRPC, and returns the leaf. */
  async function certificateOverGrpc(client: GrpcClient, token: string): Promise<X509Certificate> {
    const { pem, proof } = clientKey('ada@example.com');
    const answer = await call(client, 'CreateSigningCertificate', {
      credentials: { oidcIdentityToken: token },
      publicKeyRequest: {
        publicKey: { algorithm: 'ECDSA', content: pem },
        proofOfPossession: Buffer.from(proof, 'base64'),
      },
    });
    const { chain } = answer['signedCertificateEmbeddedSct'] as {
      chain: { certificates: readonly string[] };
    };
    return new X509Certificate(chain.certificates[0] ?? '');
  }

  it('does with a file what README.md shows, to the letter', async () => {
    const text = await readFile(join(projectRoot, 'README.md'), 'utf8');
    const [, section = ''] = text.split('\n### A file, with nothing but this\n');
    const blocks = [...(section.split('\n## ')[0] ?? '').matchAll(/^```\n([^]*?)^```$/gm)].map(
      ([, block = '']) => block,
    );
    expect(blocks).to.have.length(3);
    const scratch = await mkdtemp(join(directory, 'readme-'));
    running = await startDev({ data: join(scratch, '.mayfly') });
    const { url, issuerUrl: issuer } = running;
    await writeFile(join(scratch, 'signed.txt'), 'what is signed\n');
    const values = {
      './bin/mayfly.js sign': `mayfly sign --url ${url}`,
      './bin/mayfly.js': 'mayfly',
      'http://127.0.0.1:5556': issuer,
      ' [...]': ` --identity you@example.com --issuer ${issuer}`,
    };
    // What differs between two runs: addresses, times, the number of a request.
    const shape = (line: string): string =>
      line
        .replaceAll(/http:\/\/127\.0\.0\.1:\d+/g, 'URL')
        .replaceAll(/20\d\d-\d\d-\d\dT[\d:]+Z/g, 'TIME')
        // The second may change between the timestamp and the entry.
        .replaceAll(/TIME and TIME/g, 'TIME')
        .replaceAll(/log\/20\d\d/g, 'log/YEAR')
        .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID');
    for (const session of blocks.flatMap((block) => block.split(/^\$ /m).slice(1))) {
      const [, command = '', shown = ''] = /^((?:.*\\\n)*.*)\n([^]*)$/.exec(session) ?? [];
      const output = await runBlock(`{ ${command.trim()}; } 2>&1 || true`, scratch, values);
      const lines = output.split('\n').map(shape);
      for (const line of shown.split('\n').filter((one) => one !== '' && !one.startsWith('[...]')))
        expect(lines, command).to.include(shape(line));
    }
  });

  it('takes gRPC on a port of its own, on this machine alone, which it names', async () => {
    running = await startDev({ data: join(directory, 'grpc') });
    expect(running.grpcListen).to.match(/^127\.0\.0\.1:\d+$/);
    const client = grpcClient('dev.sigstore.fulcio.v2.CA', running.grpcListen);
    const leaf = await certificateOverGrpc(client, await running.token('ada@example.com'));
    expect(leaf.subjectAltName).to.equal('email:ada@example.com');
    client.close();
    await running.stop();
    const free = await freeAddress();
    running = await startDev({ data: join(directory, 'grpc'), args: ['--grpc-listen', free] });
    expect(running.grpcListen).to.equal(free);
    await running.stop();
    const config = join(directory, 'grpc/config.yaml');
    const text = await readFile(config, 'utf8');
    await writeFile(config, text.replace(/^mayfly:$/m, `mayfly:\n  grpc: { listen: '${free}' }`));
    running = await startDev({ data: join(directory, 'grpc') });
    expect(running.grpcListen).to.equal(free);
  });

  it('speaks TLS where it is given a certificate, and takes gRPC on the same port', async () => {
    const [certFile, keyFile] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
    const { cert, key } = await selfSigned('localhost', '127.0.0.1');
    await writeFile(certFile, cert);
    await writeFile(keyFile, key);
    const data = join(directory, 'tls');
    running = await startDev({ data, args: ['--tls-cert', certFile, '--tls-key', keyFile] });
    expect(running.url).to.match(/^https:/);
    const client = grpcClient('dev.sigstore.fulcio.v2.CA', new URL(running.url).host, Buffer.from(cert));
    const token = await running.token('ada@example.com');
    expect((await certificateOverGrpc(client, token)).subjectAltName).to.equal('email:ada@example.com');
    client.close();
    const words = ['certificate', '--url', running.url, '--out', join(directory, 'tls-out'), '--json'];
    const env = { SIGSTORE_ID_TOKEN: token, NODE_EXTRA_CA_CERTS: certFile };
    expect(await runMayfly(words, { env })).to.include({ code: 0 });
    const half = await runMayfly(['dev', '--data', join(directory, 'half'), '--tls-key', keyFile]);
    expect(half).to.include({ code: 2 });
    expect(half.stderr).to.contain('--tls-key needs --tls-cert');
  });

  it('takes the directory up again on other ports, and changes the configuration for it', async () => {
    const data = join(directory, 'again');
    running = await startDev({ data });
    const before = running.issuerUrl;
    await certificateFor(running, join(directory, 'out'));
    expect(await running.stop()).to.equal(0);
    const config = join(data, 'config.yaml');
    const edited = `# mine\n${await readFile(config, 'utf8')}`;
    expect(edited).to.contain(before);
    await writeFile(config, edited);
    running = await startDev({ data });
    expect(running.issuerUrl).to.not.equal(before);
    const after = await readFile(config, 'utf8');
    expect(after).to.equal(edited.replaceAll(before, running.issuerUrl));
    await certificateFor(running, join(directory, 'out'));
    const checkpoint = await (await fetch(`${running.logUrl}/checkpoint`)).text();
    expect(checkpoint.split('\n')[1]).to.equal('2');
  });

  it('says so when the configuration has lost its issuer', async () => {
    const data = join(directory, 'lost');
    running = await startDev({ data });
    await running.stop();
    await writeFile(join(data, 'config.yaml'), 'oidc-issuers: {}\n');
    const result = await runMayfly([
      'dev',
      '--data',
      data,
      '--listen',
      '127.0.0.1:0',
      '--issuer-listen',
      '127.0.0.1:0',
    ]);
    expect(result.code).to.equal(1);
    expect(result.stderr).to.contain('does not trust the development issuer');
  });

  /** Status and body of a request under the name `host`. */
  const asked = (url: string, host: string, method = 'GET'): Promise<{ status: number; body: string }> =>
    new Promise((resolve, reject) => {
      request(url, { method, headers: { host } }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body });
        });
      })
        .on('error', reject)
        .end();
    });

  it('answers under its own names only, on every listener and path', async () => {
    running = await startDev({ data: join(directory, 'host') });
    const { logUrl, url, metricsUrl } = running;
    const calls: readonly (readonly [string, string?])[] = [
      [`${url}/healthz`],
      [`${url}/api/v2/trustBundle`],
      [`${url}/api/v2/signingCert`, 'POST'],
      [`${url}/api/v2/signingCert`, 'OPTIONS'],
      [`${logUrl}/checkpoint`],
      [`${metricsUrl}/metrics`],
      [`${metricsUrl}/readyz`],
    ];
    for (const [call, method] of calls) {
      for (const name of ['evil.example.com', '127.0.0.1.evil.example.com', 'localhost.evil']) {
        const refused = await asked(call, `${name}:${portOf(call)}`, method);
        expect(refused.status, `${call} ${name}`).to.equal(403);
        expect(refused.body, call).to.match(/HOST_REFUSED|does not answer to that host name/);
      }
      for (const name of ['localhost', 'LOCALHOST', '127.0.0.1', '[::1]']) {
        const { status } = await asked(call, `${name}:${portOf(call)}`, method);
        expect(status, `${call} ${name}`).to.not.equal(403);
      }
    }
  });

  it('answers under the public host too, and still under no other name', async () => {
    running = await startDev({
      data: join(directory, 'public'),
      args: ['--insecure-public-host', 'Build.lan'],
    });
    for (const url of [`${running.url}/healthz`, `${running.logUrl}/checkpoint`, running.metricsUrl]) {
      expect((await asked(url, `build.lan:${portOf(url)}`)).status, url).to.equal(200);
      expect((await asked(url, 'other.lan')).status, url).to.equal(403);
    }
  });

  it('says which port is taken, and leaves nothing listening', async () => {
    running = await startDev({ data: join(directory, 'first') });
    const taken: readonly (readonly [string, string])[] = [
      ['--listen', running.url],
      ['--issuer-listen', running.issuerUrl],
    ];
    for (const [option, url] of taken) {
      const free = ['--listen', '127.0.0.1:0', '--issuer-listen', '127.0.0.1:0'];
      const words = [...free, option, new URL(url).host, '--data', join(directory, `taken${option}`)];
      const result = await runMayfly(['dev', ...words]);
      expect(result.code, option).to.equal(1);
      expect(result.stderr, option)
        .to.match(new RegExp(`${portOf(url)}.* taken`))
        .and.contain(option);
    }
  });

  it('refuses a second writer on one directory', async () => {
    const data = join(directory, 'shared');
    running = await startDev({ data });
    const result = await runMayfly([
      'dev',
      '--data',
      data,
      '--listen',
      '127.0.0.1:0',
      '--issuer-listen',
      '127.0.0.1:0',
    ]);
    expect(result.code).to.equal(1);
    expect(result.stdout).to.equal('');
    expect(result.stderr).to.contain('Only one server may use a data directory');
    // The directory still belongs to the one that runs: its issuer is the one that tokens name.
    expect((await readdir(data)).filter((name) => name.endsWith('.tmp'))).to.deep.equal([]);
    await certificateFor(running, join(directory, 'out'));
  });

  it('makes a directory anew whose making was cut off, but none that another process is making', async () => {
    const data = join(directory, 'unfinished');
    const leave = async (by: string): Promise<void> => {
      await mkdir(join(data, 'keys'), { recursive: true });
      await writeFile(join(data, 'keys', 'intermediate.key.pem'), 'half');
      await writeFile(join(data, 'mayfly.unfinished'), `in the making since 2026-01-01T00:00:00Z ${by}\n`);
    };
    const ended = spawnSync(process.execPath, ['-e', '0']).pid;
    for (const by of [`for dev by process ${process.pid}`, `for production by process ${ended}`, '']) {
      await leave(by);
      const { code, stdout } = await runMayfly(['dev', ...ANYWHERE, '--data', data, '--json']);
      expect(code, by).to.equal(1);
      expect(stdout, by).to.contain('DIRECTORY_UNFINISHED');
    }
    await leave(`for dev by process ${ended}`);
    running = await startDev({ data });
    await certificateFor(running, join(directory, 'out'));
  });

  it('starts again with the same words after it was killed, at any moment of its first start', async () => {
    // How long a start takes here.
    const begin = performance.now();
    const first = await startDev({ data: join(directory, 'timed') });
    const length = performance.now() - begin;
    await first.stop('SIGKILL');
    for (let part = 1; part <= 3; part++) {
      const data = join(directory, `killed-${part}`);
      const child = spawn(process.execPath, mayflyWords(['dev', ...ANYWHERE, '--data', data]), {
        stdio: 'ignore',
      });
      await delay((length * part) / 3);
      child.kill('SIGKILL');
      await once(child, 'exit');
      running = await startDev({ data });
      expect(await running.stop('SIGTERM'), String(part)).to.equal(0);
    }
  });

  it('refuses a production directory', async () => {
    const data = join(directory, 'production');
    await mkdir(data);
    const marker = { version: 1, mode: 'production', createdAt: '2026-11-22T10:00:00Z' };
    await writeFile(join(data, 'mayfly.json'), JSON.stringify(marker));
    const result = await runMayfly(['dev', '--data', data]);
    expect(result).to.include({ code: 1, stdout: '' });
    expect(result.stderr).to.contain('production directory');
  });

  it('refuses an address of other machines unless it is allowed', async () => {
    const result = await runMayfly(['dev', '--listen', '0.0.0.0:0', '--data', join(directory, 'never')]);
    expect(result).to.include({ code: 1, stdout: '' });
    expect(result.stderr).to.contain('can be anybody').and.contain('--insecure-public-host');
    for (const host of ['0.0.0.0', '10.0.0.1', '::', 'build.lan', 'localhost.lan']) {
      const local = { host: '127.0.0.1', port: 0 };
      for (const option of ['listen', 'issuerListen', 'metricsListen', 'grpcListen']) {
        const addresses = {
          listen: local,
          issuerListen: local,
          metricsListen: local,
          [option]: { host, port: 0 },
        };
        expect(() => {
          requireLocal(addresses, undefined);
        }, `${option} ${host}`).to.throw(CommandError);
        requireLocal(addresses, 'build.lan');
      }
    }
    for (const name of ['http://x:1', 'x:1', '', '-x', 'x_y', '[::1]']) {
      expect(() => {
        requireLocal({}, name);
      }, name).to.throw(CommandError, 'host name');
    }
  });

  it('is refused by serve', async () => {
    const data = join(directory, 'fresh');
    const result = await runMayfly(['serve', '--data', data, '--listen', '127.0.0.1:0']);
    expect(result).to.include({ code: 1, stdout: '' });
    expect(result.stderr).to.contain('for development');
  });
});
