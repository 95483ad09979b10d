/**
 * npm's own libraries, those that lie in the folder of npm: FOLDER. Signs and verifies with `sigstore`, and publishes a package with `libnpmpublish`, as `npm publish --provenance` does, to a registry that only listens; then verifies the
 * provenance that the registry got. Services, token and names come from the environment.
 */
import { Buffer } from 'node:buffer';
import console from 'node:console';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';

const folder = process.argv[2];
const require = createRequire(import.meta.url);
const sigstore = require(join(folder, 'sigstore'));
const { publish } = require(join(folder, 'libnpmpublish'));
const { SERVICE, TUF_ROOT, TUF_CACHE, SIGNER, ISSUER, SIGSTORE_ID_TOKEN } = process.env;

const services = { fulcioURL: SERVICE, rekorURL: SERVICE, identityToken: SIGSTORE_ID_TOKEN };
const trust = {
  tufMirrorURL: `${SERVICE}/tuf`,
  tufRootPath: TUF_ROOT,
  tufCachePath: TUF_CACHE,
  certificateIssuer: ISSUER,
  certificateIdentityEmail: SIGNER,
};

/** A registry that takes one package; resolves with its address, and what it got. */
async function registry() {
  let published;
  const got = new Promise((resolve) => (published = resolve));
  const server = createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      response.end('{}');
      if (request.method === 'PUT') published(JSON.parse(Buffer.concat(parts).toString('utf8')));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, got, close: () => server.close() };
}

const artifact = Buffer.from('what npm signs');
await sigstore.verify(await sigstore.sign(artifact, services), artifact, trust);
console.log('signed and verified');
const { url, got, close } = await registry();
const manifest = { name: 'provenance', version: '1.0.0' };
await publish(manifest, Buffer.from('a package'), {
  ...services,
  registry: url,
  access: 'public',
  provenance: true,
  forceAuth: { token: 'a-token' },
});
close();
const bundle = JSON.parse((await got)._attachments['provenance-1.0.0.sigstore'].data);
await sigstore.verify(bundle, trust);
const [entry] = bundle.verificationMaterial.tlogEntries;
console.log(`published with provenance of entry kind ${entry.kindVersion.kind}`);
await sigstore.verify(bundle, { ...trust, certificateIdentityEmail: 'eve@example.com' }).then(
  () => console.log('accepted another identity'),
  () => console.log('refused another identity'),
);
