/** OpenBao, as what holds keys, and as the judge of the server that stands in for it in other tests. */
import { execFile } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { SIGNATURE_ALGORITHMS } from '../../core/signature-algorithm.ts';
import { openSigner, type OpenKeyOptions } from '../../signers/open-signer.ts';
import type { Signer } from '../../signers/signer.ts';
import { settledValue } from '../support/failure.ts';
import { documentedBlocks } from '../support/documented-blocks.ts';
import { ROOT_TOKEN, TransitServer } from '../support/transit-server.ts';
import { OpenBaoServer } from './support/openbao-server.ts';
import { needClient } from './support/stock-clients.ts';

const MESSAGES = ['one', 'two', 'three'].map((text) => Buffer.from(text));
const TYPES = ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'rsa-2048', 'ed25519'];

describe('OpenBao', function () {
  this.timeout(1_200_000);
  let bao: OpenBaoServer;
  let program: string;
  const opened: Signer[] = [];
  before(async function () {
    program = await needClient(this, 'openbao-2.7.2');
    bao = await OpenBaoServer.start(program);
    for (const type of TYPES) await bao.ask('POST', `transit/keys/${type}`, { type });
  });
  after(async () => {
    for (const { remote } of opened) await remote?.close();
    await (bao as OpenBaoServer | undefined)?.close();
  });

  const open = async (uri: string, options: OpenKeyOptions = {}): Promise<Signer> => {
    const signer = await openSigner(uri, { env: bao.env, timeoutMs: 15_000, firstProbeMs: 50, ...options });
    opened.push(signer);
    return signer;
  };
  const sign = async (signer: Signer): Promise<void> => {
    const signatures = [
      ...((await signer.signAll?.(MESSAGES)) ?? []).map(settledValue),
      await signer.sign(MESSAGES[0] ?? Buffer.of()),
    ];
    const key = createPublicKey({ key: Buffer.from(signer.publicKey), format: 'der', type: 'spki' });
    const { hash = null } = SIGNATURE_ALGORITHMS[signer.algorithm];
    expect(signatures.map((one, i) => verify(hash, MESSAGES[i % 3] ?? Buffer.of(), key, one))).to.deep.equal(
      Array(4).fill(true),
    );
  };

  for (const type of TYPES)
    it(`signs with a key of type ${type}`, async () => {
      const signer = await open(`openbao://${type}`);
      await sign(signer);
      expect(signer.remote?.counts().outcomes).to.deep.equal(new Map([['signed', 2]]));
    });

  it('takes RSA keys of all sizes', async () => {
    for (const type of ['rsa-3072', 'rsa-4096']) {
      await bao.ask('POST', `transit/keys/${type}`, { type });
      await sign(await open(`openbao://${type}`));
    }
  });

  it('signs on with the version that was opened, until that is withdrawn', async () => {
    await bao.ask('POST', 'transit/keys/turned', { type: 'ecdsa-p256' });
    const signer = await open('hashivault://turned', { env: { VAULT_ADDR: bao.url, VAULT_TOKEN: 'root' } });
    await bao.ask('POST', 'transit/keys/turned/rotate', {});
    await sign(signer);
    await bao.ask('POST', 'transit/keys/turned/config', { min_encryption_version: 2 });
    await sign(signer).catch(() => undefined);
    expect(signer.remote?.refusal()).to.include({ code: 'SIGNER_KEY_GONE' });
    await bao.ask('POST', 'transit/keys/turned/config', { min_encryption_version: 0 });
    while (signer.remote?.refusal() !== undefined) await delay(20);
    await sign(signer);
    await sign(await open('openbao://turned?version=1'));
  });

  it('is asked with the least policy by AppRole, whose tokens end and are renewed', async () => {
    const policy =
      'path "transit/keys/ecdsa-p256" { capabilities = ["read"] } path "transit/sign/ecdsa-p256/sha2-256" { capabilities = ["update"] }';
    await bao.ask('POST', 'sys/policies/acl/mayfly-ca', { policy });
    await bao.ask('POST', 'sys/auth/approle', { type: 'approle' });
    const role = { token_policies: 'mayfly-ca', token_ttl: '2s', token_max_ttl: '5s', secret_id_num_uses: 0 };
    await bao.ask('POST', 'auth/approle/role/mayfly', role);
    const data = async (path: string, method: 'GET' | 'POST'): Promise<Record<string, string>> =>
      (await bao.ask(method, `auth/approle/role/mayfly/${path}`)).body['data'] as Record<string, string>;
    const [{ role_id: roleId = '' }, { secret_id: secretId = '' }] = [
      await data('role-id', 'GET'),
      await data('secret-id', 'POST'),
    ];
    const env = { BAO_ADDR: bao.url, BAO_ROLE_ID: roleId, BAO_SECRET_ID: secretId };
    const signer = await open('openbao://ecdsa-p256', { env });
    const end = performance.now() + 12_000;
    while (performance.now() < end) {
      await sign(signer);
      await delay(200);
    }
    // No signature met a token that had ended.
    expect([...(signer.remote?.counts().outcomes.keys() ?? [])]).to.deep.equal(['signed']);
    const other = { ...env, BAO_NAMESPACE: 'nobody' };
    expect(await open('openbao://ecdsa-p256', { env: other }).catch((error: unknown) => error)).to.include({
      code: 'SIGNER_DENIED',
    });
    expect(await open('openbao://rsa-2048', { env }).catch((error: unknown) => error)).to.include({
      code: 'SIGNER_DENIED',
    });
  });

  it('is set up by the commands of the documentation', async () => {
    const [block = ''] = await documentedBlocks('transit.md', 'Setting it up');
    const cwd = await mkdtemp(join(tmpdir(), 'mayfly-openbao-'));
    const fresh = await OpenBaoServer.start(program, { engine: false });
    const PATH = `${dirname(program)}:${process.env['PATH'] ?? ''}`;
    await promisify(execFile)('/bin/sh', ['-ec', block], { cwd, env: { ...fresh.env, PATH, HOME: cwd } });
    const env = {
      BAO_ADDR: fresh.url,
      BAO_ROLE_ID: (await readFile(join(cwd, 'role-id'), 'utf8')).trim(),
      BAO_SECRET_ID_FILE: join(cwd, 'secret-id'),
    };
    const signer = await openSigner('openbao://mayfly-ca', { env, timeoutMs: 15_000 });
    await sign(signer);
    await signer.remote?.close();
    await fresh.close();
    await rm(cwd, { recursive: true });
  });

  it('is sealed for a while', async () => {
    const signer = await open('openbao://ed25519');
    await bao.seal();
    const { remote } = signer;
    while (remote?.refusal() === undefined) await signer.sign(Buffer.of()).catch(() => undefined);
    expect(remote.refusal()?.message).to.include('is sealed');
    await bao.unseal();
    while (remote.refusal() !== undefined) await delay(20);
    await sign(signer);
  });

  it('answers as the server that stands in for it', async () => {
    const fake = await TransitServer.start({ plain: true });
    fake.make('judged', 'ecdsa-p256');
    await bao.ask('POST', 'transit/keys/judged', { type: 'ecdsa-p256' });
    const digest = Buffer.alloc(32, 7).toString('base64');
    const sign = { prehashed: true, key_version: 1, marshaling_algorithm: 'asn1' };
    const at = 'transit/sign/judged/sha2-256';
    const questions: readonly (readonly ['GET' | 'POST', string, (object | undefined)?, string?])[] = [
      ['GET', 'transit/keys/judged'],
      ['GET', 'transit/keys/none'],
      ['GET', 'elsewhere/keys/none'],
      ['GET', 'transit/keys/judged', undefined, 'wrong'],
      ['GET', 'transit/keys/judged', undefined, ''],
      ['POST', at, { ...sign, input: digest }],
      ['POST', at, { ...sign, batch_input: [{ input: digest }, { input: digest }] }],
      ['POST', at, { ...sign, batch_input: [{ input: digest }, { input: '!!' }] }],
      ['POST', at, { ...sign, input: digest, key_version: 9 }],
      ['POST', at, { ...sign, batch_input: [{ input: digest }], key_version: 9 }],
      ['POST', 'transit/sign/none/sha2-256', { ...sign, input: digest }],
      ['GET', 'auth/token/lookup-self'],
      ['POST', 'auth/token/renew-self', {}],
      ['POST', 'auth/approle/login', { role_id: 'none', secret_id: 'none' }],
      ['POST', 'auth/nowhere/login', { role_id: 'none', secret_id: 'none' }],
    ];
    for (const [method, path, body, token] of questions) {
      const judge = await bao.ask(method, path, body, token);
      const response = await fetch(`${fake.url}/v1/${path}`, {
        method,
        headers: token === '' ? {} : { 'x-vault-token': token ?? ROOT_TOKEN },
        ...(body && { body: JSON.stringify(body) }),
      });
      const said = (await response.json()) as Record<string, unknown>;
      const what = `${method} ${path} ${JSON.stringify(body)}`;
      expect([response.status, said['errors']], what).to.deep.equal([judge.status, judge.body['errors']]);
      // What the fake says, it says in the form of the judge.
      expect(formOf(judge.body['data']), what).to.deep.include(formOf(said['data']));
    }
    await fake.close();
  });
});

/** Members with the kinds of their values; signatures and keys by how they begin. */
function formOf(value: unknown): Record<string, unknown> {
  const form: Record<string, unknown> = {};
  for (const [name, member] of Object.entries((value ?? {}) as Record<string, unknown>))
    if (Array.isArray(member) && name === 'batch_results') form[name] = member.map(formOf);
    else if (name === 'signature' || name === 'error') form[name] = String(member).slice(0, 10);
    else if (name !== 'keys' && name !== 'policies') form[name] = typeof member;
  return form;
}
