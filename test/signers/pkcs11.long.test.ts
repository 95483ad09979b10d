import { createPublicKey, verify } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { SIGNATURE_ALGORITHMS } from '../../core/signature-algorithm.ts';
import { parseKeyReference } from '../../signers/key-reference.ts';
import { openSigner, type OpenKeyOptions } from '../../signers/open-signer.ts';
import { backend } from '../../signers/pkcs11/pkcs11-backend.ts';
import type { Pkcs11Reference } from '../../signers/pkcs11-uri.ts';
import { SignerError } from '../../signers/signer-error.ts';
import type { Signer } from '../../signers/signer.ts';
import { failureAs } from '../support/failure.ts';
import { isInProcesses, PIN, SoftHsm, tokenProcesses } from '../support/softhsm.ts';
import { FaultModule } from './support/fault-module.ts';

const DATA = Buffer.from('to be signed');

/** Whether a signature holds; the wrapper has looked already. */
const holds = ({ publicKey, algorithm }: Signer, signature: Uint8Array): boolean =>
  verify(
    SIGNATURE_ALGORITHMS[algorithm].hash ?? null,
    DATA,
    createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' }),
    signature,
  );

describe('keys in PKCS#11 tokens', function () {
  this.timeout(300_000);
  let hsm: SoftHsm;
  let faults: FaultModule;
  const open: Signer[] = [];

  before(async function () {
    hsm = await SoftHsm.open(this);
    await hsm.makeToken('mayfly');
    await hsm.makeKey('mayfly', 'EC:secp256r1', 'p256', '01');
  });
  afterEach(async () => {
    for (const signer of open.splice(0)) await signer.remote?.close();
    // What a start that failed began ends by itself.
    while (tokenProcesses().length > 0) await delay(10);
  });
  after(() => {
    hsm.close();
  });

  /** A signer, which the test need not close. Slow machines are no fault. */
  async function signerOf(uri: string, options: OpenKeyOptions = {}): Promise<Signer> {
    const signer = await openSigner(uri, {
      env: hsm.env,
      timeoutMs: 20_000,
      openMs: 60_000,
      firstProbeMs: 20,
      ...options,
    });
    open.push(signer);
    return signer;
  }

  /** The one that is asked of at most. */
  const refusalOf = (uri: string, options?: OpenKeyOptions): Promise<SignerError> =>
    failureAs(SignerError, signerOf(uri, options));

  /** Signs again and again until it works. */
  async function untilItSigns(signer: Signer): Promise<void> {
    for (;;) {
      const signature = await signer.sign(DATA).catch(() => undefined);
      if (signature !== undefined) {
        expect(holds(signer, signature)).to.equal(true);
        return;
      }
      await delay(20);
    }
  }

  for (const [type, label, id, algorithm] of [
    ['EC:secp384r1', 'p384', '02', 'ecdsa-p384-sha384'],
    ['EC:secp521r1', 'p521', '03', 'ecdsa-p521-sha512'],
    ['rsa:2048', 'rsa', '04', 'rsa-pkcs1-sha256'],
    ['EC:edwards25519', 'ed', '05', 'ed25519'],
  ] as const)
    it(`signs with a key of the kind ${type}`, async () => {
      await hsm.makeKey('mayfly', type, label, id);
      const signer = await signerOf(hsm.uri('mayfly', label));
      expect(signer.algorithm).to.equal(algorithm);
      const signatures = await Promise.all(Array.from({ length: 20 }, () => signer.sign(DATA)));
      expect(signatures.every((signature) => holds(signer, signature))).to.equal(true);
    });

  it('has one process for all keys of a token, which ends with the last of them', async () => {
    const first = await signerOf(hsm.uri('mayfly', 'p256'));
    const second = await signerOf(hsm.uri('mayfly', 'ed'));
    expect(tokenProcesses()).to.have.length(1);
    await first.remote?.close();
    expect(holds(second, await second.sign(DATA))).to.equal(true);
  });

  it('shows the PIN to the token alone: no list of processes has it', async () => {
    const signer = await signerOf(hsm.uri('mayfly', 'p256'));
    expect(await signer.sign(DATA)).not.to.equal(undefined);
    expect(isInProcesses(PIN)).to.equal(false);
  });

  it('takes the PIN from a credential of systemd, or asks a person', async () => {
    const uri = hsm.uri('mayfly', 'p256').replace(/pin-source=.*/, '');
    const env = { ...hsm.env, CREDENTIALS_DIRECTORY: hsm.directory };
    const withCredential = await signerOf(`${uri}pin-source=credential:pin`, { env });
    expect(withCredential.algorithm).to.equal('ecdsa-p256-sha256');
    await withCredential.remote?.close();
    const none = await refusalOf(`${uri}pin-source=credential:pin`);
    expect(none).to.include({ code: 'SIGNER_DENIED' });
    expect(none.message).to.include('CREDENTIALS_DIRECTORY');
    const asked: string[] = [];
    const ask = (question: string): Promise<string> => {
      asked.push(question);
      return Promise.resolve(PIN);
    };
    const signer = await signerOf(uri.slice(0, -1), { ask });
    process.kill(tokenProcesses()[0] ?? 0, 'SIGKILL');
    await untilItSigns(signer);
    expect(asked).to.deep.equal(['PIN of the token: ']);
    await signer.remote?.close();
    const unasked = await refusalOf(uri.slice(0, -1));
    expect(unasked).to.include({ code: 'SIGNER_DENIED' });
    expect(unasked.hint).to.include('pin-source=');
  });

  it('finds the module by its name, and says what is wrong with one that cannot be loaded', async () => {
    const uri = (query: string): string => `pkcs11:object=p256?${query}&pin-source=${hsm.pinFile}`;
    copyFileSync(hsm.module, join(hsm.directory, 'libtried.so'));
    expect(await signerOf(uri(`module-path=${hsm.directory}&module-name=tried`))).to.have.property(
      'algorithm',
    );
    const message = async (query: string): Promise<string> => {
      const { code, message, hint } = await refusalOf(uri(query));
      expect(code).to.equal('SIGNER_MISSING');
      return `${message} | ${hint ?? ''}`;
    };
    expect(await message('module-name=no-such-module')).to.match(
      /no module is called.*Looked for in \/usr\/lib/,
    );
    expect(await message(`module-path=${hsm.directory}/libtired.so`)).to.match(
      /cannot open shared object file: No such file or directory \| There is no such file\. In .* libtried\.so/,
    );
    writeFileSync(join(hsm.directory, 'text.so'), 'this is no library at all');
    expect(await message(`module-path=${hsm.directory}/text.so`)).to.match(
      /(?:invalid ELF header|file too short) \| The file is no library/,
    );
    // The loader says "no such file" of a library for another machine.
    copyFileSync(hsm.module, join(hsm.directory, 'arm.so'));
    const bytes = readFileSync(hsm.module);
    bytes.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18);
    writeFileSync(join(hsm.directory, 'arm.so'), bytes);
    expect(await message(`module-path=${hsm.directory}/arm.so`)).to.match(
      /It is built for \w+, and this process is \w+/,
    );
    const library = join(hsm.remoteModule, '../../libtasn1.so.6');
    expect(await message(`module-path=${library}`)).to.match(/is a library, but no PKCS#11 module/);
  });

  it('says which package calls modules where it is not there', async () => {
    const refusal = await refusalOf(hsm.uri('mayfly', 'p256'), { env: { ...hsm.env, NODE_PATH: '' } });
    expect(refusal).to.include({ code: 'SIGNER_MISSING' });
    expect(refusal.hint).to.match(/npm install .*koffi@\d/);
  });

  it('says what there is where the URI means nothing, or several', async () => {
    const say = async (uri: string): Promise<string> => {
      const { code, message, hint } = await refusalOf(uri);
      expect(code).to.equal('SIGNER_KEY_GONE');
      return `${message} | ${hint ?? ''}`;
    };
    expect(await say(hsm.uri('nosuch', 'p256'))).to.match(/no token .*token=mayfly;serial=\w+/);
    expect(await say(hsm.uri('mayfly', 'nosuch'))).to.match(/no private key .*object=p256;id=%01/);
    expect(await say(hsm.uri('mayfly', 'nosuch').replace('object=nosuch', 'type=private'))).to.match(
      /private keys as the URI says/,
    );
    await hsm.makeToken('second');
    expect(await say(hsm.uri('mayfly', 'p256').replace('token=mayfly;', ''))).to.match(
      /2 tokens are as the URI says.*serial=\w+.*serial=\w+/,
    );
  });

  it('refuses a key without its public half, and says so', async () => {
    await hsm.makeKey('second', 'EC:secp256r1', 'half', '0a');
    await hsm.tool('second', '--delete-object', '--type', 'pubkey', '--id', '0a');
    const refusal = await refusalOf(hsm.uri('second', 'half'));
    expect(refusal).to.include({ code: 'SIGNER_REFUSED' });
    expect(refusal.message).to.include('public half');
  });

  it('makes a key that stays in the token, and replaces none', async () => {
    const reference = parseKeyReference(hsm.uri('mayfly', 'made')) as Pkcs11Reference;
    const surroundings = { signal: AbortSignal.timeout(120_000), env: hsm.env };
    const key = await backend.generate?.(reference, 'p384', surroundings);
    expect(key?.algorithm).to.equal('ecdsa-p384-sha384');
    const facts = new Map((await key?.describe())?.map(({ name, value }) => [name, value]));
    expect(facts.get('label')).to.equal('made');
    expect(facts.get('leaves the token')).to.equal('never');
    await key?.close();
    const again = await failureAs(SignerError, backend.generate?.(reference, 'p384', surroundings));
    expect(again).to.include({ code: 'SIGNER_REFUSED' });
    const signer = await signerOf(hsm.uri('mayfly', 'made'));
    expect(holds(signer, await signer.sign(DATA))).to.equal(true);
  });

  describe('and its faults', () => {
    let uri: string;
    before(function () {
      faults = new FaultModule(this, hsm);
      uri = hsm.uri('mayfly', 'p256', faults.file);
    });
    afterEach(() => {
      faults.orders();
    });

    it('is shown a wrong PIN once, until there is another', async () => {
      const pinFile = join(hsm.directory, 'changing-pin');
      writeFileSync(pinFile, `${PIN}\n`, { mode: 0o600 });
      const signer = await signerOf(uri.replace(hsm.pinFile, pinFile));
      writeFileSync(pinFile, 'another\n');
      faults.forgetLogins();
      process.kill(tokenProcesses()[0] ?? 0, 'SIGKILL');
      while (signer.remote?.refusal()?.code !== 'SIGNER_DENIED') {
        await signer.sign(DATA).catch(() => undefined);
        await delay(5);
      }
      // Probes go on, and come to where a new process would be started.
      const isWithheld = (): boolean =>
        signer.remote?.failure()?.message.includes('it is the one that was refused') === true;
      while (!isWithheld() && faults.logins === 1) await delay(5);
      const { message, hint } = await failureAs(SignerError, signer.sign(DATA));
      expect(`${message} ${hint ?? ''}`).not.to.include(PIN);
      expect(faults.logins).to.equal(1);
      writeFileSync(pinFile, `${PIN}\n`);
      await untilItSigns(signer);
      expect(faults.logins).to.equal(2);
    });

    it('is shown no PIN by a service after a wrong one, until a person is sure of it', async () => {
      const wrong = join(hsm.directory, 'wrong-pin');
      writeFileSync(wrong, 'wrong\n', { mode: 0o600 });
      expect(await refusalOf(uri.replace(hsm.pinFile, wrong))).to.include({ code: 'SIGNER_DENIED' });
      faults.forgetLogins();
      // As a service manager that starts the service again and again.
      for (const pinFile of [wrong, wrong, hsm.pinFile]) {
        const refusal = await refusalOf(uri.replace(hsm.pinFile, pinFile));
        expect(refusal).to.include({ code: 'SIGNER_DENIED' });
        expect(refusal.hint).to.include('mayfly keys check');
      }
      expect(faults.logins).to.equal(0);
      await (await signerOf(uri, { ask: () => Promise.reject(new Error('not asked')) })).remote?.close();
      expect(faults.logins).to.equal(1);
      expect(await signerOf(uri)).to.have.property('algorithm');
    });

    for (const [state, flags, words] of [
      ['is locked', '0x40000', /has locked its PIN/],
      ['would lock at another wrong PIN', '0x20000', /would lock at another wrong PIN/],
    ] as const)
      it(`is shown no PIN when it ${state}`, async () => {
        faults.orders(['C_GetTokenInfo', `flags ${flags}`]);
        faults.forgetLogins();
        const refusal = await refusalOf(uri, { ask: () => Promise.resolve(PIN) });
        expect(refusal).to.include({ code: 'SIGNER_DENIED' });
        expect(refusal.message).to.match(words);
        expect(faults.logins).to.equal(0);
      });

    // The codes of a token that was unplugged, of a session that was lost, of a device that fails, of a module that needs a new start.
    for (const [name, value] of [
      ['CKR_DEVICE_REMOVED', '0x32'],
      ['CKR_TOKEN_NOT_PRESENT', '0xe0'],
      ['CKR_SESSION_HANDLE_INVALID', '0xb3'],
      ['CKR_OBJECT_HANDLE_INVALID', '0x82'],
      ['CKR_DEVICE_ERROR', '0x30'],
      ['CKR_OPERATION_ACTIVE', '0x90'],
      ['CKR_USER_NOT_LOGGED_IN', '0x101'],
    ] as const)
      it(`comes back by a new process after ${name}`, async () => {
        const signer = await signerOf(uri);
        const [before] = tokenProcesses();
        faults.orders(['C_SignInit', `returns ${value}`]);
        // Two seconds, as in a service, would pass without any answer on a busy machine.
        const failing = signer.sign(DATA).catch((error: unknown) => error);
        while (signer.remote?.failure()?.message.includes(name) !== true) await delay(5);
        expect(signer.remote.failure()).to.include({ code: 'SIGNER_UNAVAILABLE' });
        faults.orders();
        await failing;
        await untilItSigns(signer);
        expect(tokenProcesses()).not.to.include(before);
      });

    it('comes back when the token is plugged in again', async () => {
      const signer = await signerOf(uri);
      // A module from which the token is gone: the slot is empty.
      faults.orders(['C_SignInit', 'returns 0x32'], ['C_GetTokenInfo', 'returns 0xe0']);
      while (signer.remote?.refusal()?.code !== 'SIGNER_KEY_GONE') {
        await signer.sign(DATA).catch(() => undefined);
        await delay(5);
      }
      expect(signer.remote.refusal()?.hint).to.include('CKR_TOKEN_NOT_PRESENT');
      faults.orders();
      await untilItSigns(signer);
    });

    it('loses its process when a call never returns, and only then', async () => {
      const signer = await signerOf(uri, { timeoutMs: 1_500 });
      await untilItSigns(signer);
      const [before] = tokenProcesses();
      faults.orders(['C_Sign', 'slow 200']);
      await untilItSigns(signer);
      expect(tokenProcesses()).to.include(before);
      faults.orders(['C_Sign', 'hang']);
      expect(await failureAs(SignerError, signer.sign(DATA))).to.include({ code: 'SIGNER_TIMEOUT' });
      while (tokenProcesses().includes(before ?? 0)) await delay(20);
      faults.orders();
      await untilItSigns(signer);
    });

    it('needs no more of the token than the key that is named', async () => {
      // A token of many keys is slow to describe them all, and one of them may vanish meanwhile.
      faults.orders(['C_FindObjectsInit', 'broad 0x30']);
      const signer = await signerOf(uri);
      expect(holds(signer, await signer.sign(DATA))).to.equal(true);
    });

    it('keeps its process, and its key, when it makes one slow signature after the other', async () => {
      const signer = await signerOf(uri, { timeoutMs: 4_000 });
      await untilItSigns(signer);
      const [before] = tokenProcesses();
      // Four at a time would be late for ever.
      faults.orders(['C_Sign', 'serial 1200']);
      let signed = 0;
      for (let burst = 0; burst < 3; burst++) {
        const all = Array.from({ length: 16 }, () => signer.sign(DATA).catch((error: unknown) => error));
        signed = (await Promise.all(all)).filter((one) => one instanceof Uint8Array).length;
        expect(signer.remote?.refusal()).to.equal(undefined);
      }
      // Those of the first burst that came too late are done by now.
      expect(signed).to.be.greaterThan(0);
      expect(tokenProcesses()).to.include(before);
      const { outcomes } = signer.remote?.counts() ?? {};
      expect(outcomes?.get('SIGNER_TIMEOUT') ?? 0).to.be.lessThan(5);
    });

    it('comes back when its login hung', async () => {
      const signer = await signerOf(uri, { timeoutMs: 1_500 });
      faults.orders(['C_Login', 'hang']);
      process.kill(tokenProcesses()[0] ?? 0, 'SIGKILL');
      while (signer.remote?.refusal() === undefined) {
        await signer.sign(DATA).catch(() => undefined);
        await delay(5);
      }
      faults.orders();
      await untilItSigns(signer);
    });

    for (const [what, name, slow] of [
      ['its login', 'C_Login', 'slow 4000'],
      ['finding a key', 'C_FindObjects', 'slow 900'],
    ] as const)
      it(`comes back when ${what} has become slower than it ever was`, async () => {
        const signer = await signerOf(uri, { timeoutMs: 1_500 });
        await untilItSigns(signer);
        faults.orders([name, slow]);
        process.kill(tokenProcesses()[0] ?? 0, 'SIGKILL');
        await untilItSigns(signer);
      });

    it('comes back after the module ended its process', async () => {
      const signer = await signerOf(uri);
      faults.orders(['C_Sign', 'crash']);
      const failing = signer.sign(DATA).catch((error: unknown) => error);
      while (signer.remote?.failure()?.message.includes('SIGSEGV') !== true) await delay(5);
      faults.orders();
      await failing;
      await untilItSigns(signer);
    });

    it('comes back after its process was killed or stopped, under load, without a wrong signature', async () => {
      const signer = await signerOf(uri, { timeoutMs: 4_000 });
      let signed = 0;
      let isOver = false;
      const load = Array.from({ length: 8 }, async () => {
        while (!isOver) {
          const signature = await signer.sign(DATA).catch(() => undefined);
          if (signature === undefined) await delay(5);
          else if (holds(signer, signature)) signed++;
          else throw new Error('a wrong signature');
        }
      });
      for (const signal of ['SIGKILL', 'SIGSTOP', 'SIGKILL'] as const) {
        const [child = 0] = tokenProcesses();
        process.kill(child, signal);
        while (tokenProcesses().includes(child)) await delay(10);
        for (const before = signed; signed === before;) await delay(10);
      }
      isOver = true;
      await Promise.all(load);
      expect(signer.remote?.counts().outcomes.get('SIGNER_WRONG_KEY')).to.equal(undefined);
    });

    for (const what of ['other', 'short'])
      it(`never uses a signature that does not hold (${what})`, async () => {
        const signer = await signerOf(uri);
        faults.orders(['C_Sign', what]);
        expect(await failureAs(SignerError, signer.sign(DATA))).to.include({ code: 'SIGNER_WRONG_KEY' });
        faults.orders();
        await untilItSigns(signer);
      });

    it('knows another key in the place of the one that was opened', async () => {
      await hsm.makeKey('mayfly', 'EC:secp256r1', 'exchanged', '20');
      const signer = await signerOf(hsm.uri('mayfly', 'exchanged'));
      const other = await signerOf(hsm.uri('mayfly', 'p256'));
      await hsm.tool('mayfly', '--delete-object', '--type', 'privkey', '--label', 'exchanged');
      await hsm.tool('mayfly', '--delete-object', '--type', 'pubkey', '--label', 'exchanged');
      while (signer.remote?.refusal()?.code !== 'SIGNER_KEY_GONE') {
        await signer.sign(DATA).catch(() => undefined);
        await delay(5);
      }
      await hsm.makeKey('mayfly', 'EC:secp256r1', 'exchanged', '21');
      while (signer.remote.refusal()?.code !== 'SIGNER_WRONG_KEY') await delay(5);
      expect(signer.remote.refusal()?.message).to.include('another one than when it was opened');
      expect(holds(other, await other.sign(DATA))).to.equal(true);
    });
  });

  describe('behind p11-kit', () => {
    it('comes back after its server was stopped, and after it was killed', async () => {
      const server = await hsm.serve('mayfly');
      const signer = await signerOf(hsm.uri('mayfly', 'p256', hsm.remoteModule), { timeoutMs: 3_000 });
      await untilItSigns(signer);
      hsm.signal(server, 'SIGSTOP');
      while (signer.remote?.failure()?.code !== 'SIGNER_TIMEOUT')
        await signer.sign(DATA).catch(() => undefined);
      hsm.signal(server, 'SIGCONT');
      await untilItSigns(signer);
      hsm.signal(server, 'SIGKILL');
      while (signer.remote.refusal() === undefined) await signer.sign(DATA).catch(() => undefined);
      await hsm.serve('mayfly');
      await untilItSigns(signer);
    });
  });
});
