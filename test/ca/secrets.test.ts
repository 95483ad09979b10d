import { generateKeyPairSync, sign } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { adoptAuthority } from '../../ca/adopt.ts';
import { Issuance } from '../../ca/issuance.ts';
import { loadKeyFile, writeKeyPem } from '../../signers/key-file.ts';
import type { KeyRequest } from '../../ca/signing-request.ts';
import { MayflyError } from '../../core/errors.ts';
import { NOW, pemOf, testAuthority } from './support/authority.ts';
import { csrOf } from './support/csr.ts';
import { testKey } from './support/keys.ts';
import { refused } from './support/issuing.ts';
import { memoryLog } from './support/memory-log.ts';
import { openPolicy } from './support/open-policy.ts';
import { emailPrincipal } from './support/principal.ts';
import { failureOf } from '../support/failure.ts';

const TOKEN = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZWNyZXQifQ.c2lnbmF0dXJl';
const PASSPHRASE = 'correct-horse-battery';
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

/** Everything that an error could show anywhere: texts, metadata, stack, and the same of its causes. */
function everythingIn(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error ?? null);
  const own = error instanceof MayflyError ? `${error.hint ?? ''} ${JSON.stringify(error.metadata)}` : '';
  const extra = JSON.stringify(error, Object.getOwnPropertyNames(error));
  return `${error.message} ${error.stack ?? ''} ${own} ${extra} ${everythingIn(error.cause)}`;
}

describe('ca: no error shows a secret', () => {
  it('neither token nor proof nor key of a request', async () => {
    const { authority } = await testAuthority();
    const issuance = new Issuance({
      policy: { current: openPolicy(emailPrincipal()) },
      authority,
      log: memoryLog(() => NOW),
      clock: () => NOW,
    });
    const key = testKey('P-256');
    const proof = sign('sha256', Buffer.from('another text'), key.privateKey);
    const pkcs8 = key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
    const requests: KeyRequest[] = [
      { kind: 'publicKey', content: pemOf(key.publicKey), proof },
      { kind: 'publicKey', content: bytes(pkcs8), proof },
      { kind: 'publicKey', content: bytes(pkcs8.replaceAll('PRIVATE', 'PUBLIC')), proof },
      { kind: 'publicKey', content: pemOf(weak), proof },
      { kind: 'publicKey', content: new Uint8Array(0), proof },
      { kind: 'csr', pem: bytes(pkcs8) },
      { kind: 'csr', pem: csrOf(key, { edit: (der) => der.subarray(0, 90) }) },
    ];
    const body = pkcs8.split('\n')[1] ?? '';
    const spki = Buffer.from(pemOf(key.publicKey)).toString().split('\n')[1] ?? '';
    const secrets = [TOKEN, body, spki, proof.toString('base64'), proof.toString('hex')];
    for (const request of requests) {
      const { error } = await refused(issuance, { token: TOKEN, key: request });
      expect(error).to.be.instanceOf(MayflyError);
      for (const secret of secrets) expect(everythingIn(error)).not.to.include(secret);
    }
  });

  it('neither passphrase nor key of a key file', async () => {
    const { intermediateKey, chainPem } = await testAuthority();
    const encrypted = writeKeyPem(intermediateKey, PASSPHRASE);
    const plain = writeKeyPem(intermediateKey);
    const broken = plain.replace(/\n(.{20})/, '\nAAAA');
    const clock = (): number => NOW;
    const failing = [
      () => loadKeyFile(encrypted, `${PASSPHRASE}!`),
      () => loadKeyFile(encrypted),
      () => loadKeyFile(broken, PASSPHRASE),
      () => loadKeyFile(plain.replaceAll('PRIVATE', 'ENCRYPTED PRIVATE'), PASSPHRASE),
      () => adoptAuthority({ key: bytes(plain).reverse(), chainPem, passphrase: PASSPHRASE, clock }),
    ];
    const secrets = [
      PASSPHRASE,
      plain.split('\n')[1] ?? '',
      plain.split('\n')[2] ?? '',
      encrypted.slice(40, 100),
    ];
    for (const run of failing) {
      const error = await failureOf(run);
      expect(error).to.be.instanceOf(MayflyError);
      for (const secret of secrets) expect(everythingIn(error)).not.to.include(secret);
    }
  });

  it('because no message in the source is built from one', () => {
    const room = join(dirname(dirname(import.meta.dirname)), 'ca');
    const files = globSync('**/*.{ts,js}', { cwd: room });
    expect(files.length).to.be.greaterThan(20);
    for (const file of files) {
      const inserted = readFileSync(join(room, file), 'utf8').match(/\$\{[^}]*\}/g) ?? [];
      for (const part of inserted) {
        expect(part, file).not.to.match(
          /\b(token|proof|passphrase|content|privateKey|request\.key)\b(?!\.length)/,
        );
      }
    }
  });
});
