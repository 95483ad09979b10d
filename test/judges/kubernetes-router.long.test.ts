/**
 * go-restful, the router of the Kubernetes API server, with the two documents registered as Kubernetes does it: our
 * stand-in answers as it does, and our requests are ones that it serves.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { request as plainRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as secureRequest } from 'node:https';
import { join } from 'node:path';
import { expect } from 'chai';
import { createDocumentFetcher } from '../../oidc/keys/fetch-document.ts';
import { startApiServer, type ApiServer } from '../support/kubernetes-api-server.ts';
import { projectRoot } from '../support/project-root.ts';
import { skipUnless } from '../support/skipped.ts';

const source = join(projectRoot, 'test/judges/kubernetes-router');
const program = join(projectRoot, 'node_modules/.cache/judges/kubernetes-router');

/** Builds the router once where Go is there; says why not otherwise. */
function whyMissing(): string | undefined {
  if (existsSync(program)) return undefined;
  if (spawnSync('go', ['version']).status !== 0) return 'there is no Go here to build go-restful with';
  try {
    execFileSync('go', ['build', '-o', program, '.'], { cwd: source, stdio: 'pipe' });
    return undefined;
  } catch {
    return 'Go could not build go-restful here';
  }
}

const PATHS = ['/openid/v1/jwks', '/.well-known/openid-configuration', '/openid/v1/jwk', '/openid/v1', '/'];
const ACCEPTS = [
  undefined,
  '*/*',
  'application/json',
  'application/jwk-set+json',
  'application/json, application/jwk-set+json',
  'application/json;q=0.9,application/jwk-set+json;q=0',
  'text/html, */*;q=0.1',
  'application/*',
  'text/html',
];

describe("judge: the Kubernetes API server's router", function () {
  this.timeout(300_000);
  let router: ChildProcess;
  let base: string;
  let ours: ApiServer;

  before(async function () {
    const missing = whyMissing();
    skipUnless(this, missing === undefined, missing ?? '');
    router = spawn(program, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(router.stdout ?? router, 'data')) as [Buffer];
    base = `http://${line.toString().trim()}`;
    ours = await startApiServer({ discoveryFor: 'everybody' });
  });

  after(async () => {
    (router as ChildProcess | undefined)?.kill();
    await (ours as ApiServer | undefined)?.close();
  });

  /** Status and type of an answer. */
  async function answer(origin: string, path: string, method: string, accept?: string): Promise<unknown> {
    const options: RequestOptions = { method, headers: accept === undefined ? {} : { accept } };
    const url = new URL(path, origin);
    const sent =
      url.protocol === 'https:'
        ? secureRequest(url, { ...options, ca: ours.ca })
        : plainRequest(url, options);
    const [response] = (await once(sent.end(), 'response')) as [IncomingMessage];
    response.resume();
    const { statusCode, headers } = response;
    // The body of a refusal is made by the API server around the router.
    return { statusCode, type: statusCode === 200 ? headers['content-type'] : undefined };
  }

  for (const path of PATHS) {
    it(`answers for ${path} as our stand-in does`, async () => {
      for (const method of ['GET', 'POST'])
        for (const accept of ACCEPTS)
          expect(await answer(ours.url, path, method, accept), `${method} ${accept}`).to.deep.equal(
            await answer(base, path, method, accept),
          );
    });
  }

  it('serves both documents to us', async () => {
    const fetcher = createDocumentFetcher();
    const limits = { timeout: 10_000, size: 1000 };
    expect(await fetcher.fetch(new URL(`${base}/openid/v1/jwks`), limits)).to.deep.equal({ keys: [] });
    const discovery = new URL(`${base}/.well-known/openid-configuration`);
    expect(await fetcher.fetch(discovery, limits)).to.deep.equal({ issuer: 'x' });
    await fetcher.close();
  });
});
