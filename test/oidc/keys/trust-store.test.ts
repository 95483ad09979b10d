import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { selfSigned } from '../../support/tls-identity.ts';

const run = promisify(execFile);
const MODULE = new URL('../../../oidc/keys/fetch-document.ts', import.meta.url).href;
/** A file of its own name where the tests were compiled. */
const module = import.meta.url.endsWith('.ts') ? MODULE : MODULE.replace(/\.ts$/, '.js');

/** Fetches the URL that is its argument. Another process, because Node reads the system's certificates once. */
const PROGRAM = `
  const { createDocumentFetcher } = await import(${JSON.stringify(module)});
  try {
    const fetcher = createDocumentFetcher();
    console.log(JSON.stringify(await fetcher.fetch(new URL(process.argv[1]), { timeout: 5000, size: 1000 })));
    await fetcher.close();
  } catch (error) {
    console.log(error.message);
  }`;

describe('The certificate authorities of issuers', () => {
  let directory: string;
  let server: Server;
  let url: string;

  before(async () => {
    const identity = await selfSigned();
    server = createServer(identity, (_, response) => response.end('{"a":1}'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    directory = await mkdtemp(join(tmpdir(), 'mayfly-trust-'));
    await writeFile(join(directory, 'own.pem'), identity.cert);
    await writeFile(join(directory, 'other.pem'), (await selfSigned('other.example')).cert);
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true });
  });

  async function fetchWith(environment: Readonly<Record<string, string>>): Promise<string> {
    const mine = /^(NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR))$/;
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !mine.test(name)));
    const flags = process.execArgv.filter((flag) => flag.includes('strip-types'));
    const words = [...flags, '--input-type=module', '-e', PROGRAM, url];
    const { stdout } = await run(process.execPath, words, { env: { ...env, ...environment } });
    return stdout.trim();
  }

  it('are those that SSL_CERT_FILE and SSL_CERT_DIR lead to', async () => {
    expect(await fetchWith({})).to.match(/does not answer: .*SELF_SIGNED/);
    expect(await fetchWith({ SSL_CERT_FILE: join(directory, 'own.pem') })).to.equal('{"a":1}');
    expect(await fetchWith({ SSL_CERT_DIR: directory })).to.equal('{"a":1}');
  });

  it('are those of NODE_EXTRA_CA_CERTS beside them', async () => {
    const extra = { NODE_EXTRA_CA_CERTS: join(directory, 'own.pem') };
    expect(await fetchWith(extra)).to.equal('{"a":1}');
    expect(await fetchWith({ ...extra, SSL_CERT_FILE: join(directory, 'other.pem') })).to.equal('{"a":1}');
  });

  it('must be there when the variables name any', async () => {
    const nowhere = join(directory, 'nowhere');
    const said = await fetchWith({ SSL_CERT_FILE: nowhere, SSL_CERT_DIR: nowhere });
    expect(said).to.equal(
      'no certificate authority is where SSL_CERT_FILE and SSL_CERT_DIR of the environment lead',
    );
  });
});
