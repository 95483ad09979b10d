/** Keys in another process, which a test slows, fails, stops and kills: a real key server, and the backend that reaches it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Backend, BackendKey } from '../../signers/backend.ts';
import { writeKeyPem } from '../../signers/key-file.ts';
import { generateKey, publicKeyAlgorithm, type KeyType } from '../../signers/key-types.ts';
import type { Backends } from '../../signers/open-signer.ts';
import { SignerError, type SignerReason } from '../../signers/signer-error.ts';
import { moduleBeside } from '../../storage/module-beside.ts';

/** How the server does other than it should; nothing set: it signs. */
export interface Misbehaviour {
  /** Only with this key do signatures fail. */
  readonly of?: string | undefined;
  /** Every signature is refused so; with `times`, only so many. */
  readonly failure?: SignerReason | undefined;
  times?: number | undefined;
  readonly retryAfterMs?: number | undefined;
  /** Each signature takes so long. */
  readonly slowMs?: number | undefined;
  /** Nothing is answered. */
  readonly silent?: boolean | undefined;
  /** The connection ends in the place of an answer. */
  readonly drops?: boolean | undefined;
  /** Another key of the same kind signs. */
  readonly sibling?: boolean | undefined;
  /** ECDSA signatures are r‖s. */
  readonly raw?: boolean | undefined;
  /** Signatures have only so many bytes. */
  readonly cut?: number | undefined;
  /** Of several signatures, the last ones are left out. */
  readonly forgets?: number | undefined;
}

/** What a connection asks of the server. */
export interface KeyServerAsk {
  readonly op: 'open' | 'sign' | 'asked';
  readonly key: string;
  readonly messages?: readonly string[] | undefined;
}

/** What it gets. */
export interface KeyServerAnswer {
  readonly publicKey?: string | undefined;
  readonly signatures?: readonly string[] | undefined;
  readonly asked?: number | undefined;
  readonly most?: number | undefined;
  readonly failure?: SignerReason | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** How the backend of a {@link KeyServer} does. */
interface BackendForm {
  /** Whether it signs several in one call. */
  readonly batches?: boolean | undefined;
  readonly ecdsaForm?: BackendKey['ecdsaForm'] | undefined;
  readonly mostAtOnce?: number | undefined;
  readonly renew?: BackendKey['renew'];
}

/** Keys of a process of their own. Their references are `openbao://NAME`. */
export class KeyServer {
  readonly #directory: string;
  #child: ChildProcess | undefined;
  #lines: Interface | undefined;

  private constructor(pems: Readonly<Record<string, string>>) {
    this.#directory = mkdtempSync(join(tmpdir(), 'mayfly-keys-'));
    writeFileSync(this.#keysFile, JSON.stringify(pems));
  }

  /** Starts one with new keys of those kinds. */
  static async with(keys: Readonly<Record<string, KeyType>>): Promise<KeyServer> {
    const made = Object.entries(keys).map(async ([name, type]) => [
      name,
      writeKeyPem(await generateKey(type)),
    ]);
    return KeyServer.holding(Object.fromEntries(await Promise.all(made)) as Record<string, string>);
  }

  /** Starts one with those keys, PEM by name. */
  static async holding(pems: Readonly<Record<string, string>>): Promise<KeyServer> {
    const server = new KeyServer(pems);
    await server.start();
    return server;
  }

  get #keysFile(): string {
    return join(this.#directory, 'keys.json');
  }

  get #socket(): string {
    return join(this.#directory, 'socket');
  }

  /** Starts it, again with the same keys. */
  async start(): Promise<void> {
    const { url, execArgv } = moduleBeside(import.meta.url, 'key-server');
    rmSync(this.#socket, { force: true });
    const words = [...execArgv, '--no-warnings', url.pathname, this.#socket, this.#keysFile];
    const child = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout });
    await once(this.#lines, 'line');
  }

  /** From now on it does so. One that is paused hears it when it is resumed. */
  async does(misbehaviour: Misbehaviour): Promise<void> {
    const { stdin } = this.#child ?? {};
    if (this.#lines === undefined) throw new Error('the key server does not run');
    const heard = once(this.#lines, 'line');
    stdin?.write(`${JSON.stringify(misbehaviour)}\n`);
    await heard;
  }

  /** How many signatures were asked of it, calls for several as one. */
  async asked(): Promise<number> {
    return (await this.#counts()).asked ?? 0;
  }

  /** How many of them were under way at once, at most. */
  async most(): Promise<number> {
    return (await this.#counts()).most ?? 0;
  }

  #counts(): Promise<KeyServerAnswer> {
    return this.#ask({ op: 'asked', key: '' }, new AbortController().signal);
  }

  /** Stops it where it is, so that connections hang. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  /** It goes on from there. */
  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child?.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    this.#lines?.close();
    this.#child = undefined;
  }

  /** Ends it for good. */
  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** What a service is given to reach it. */
  backends(form: BackendForm = {}): Backends {
    return { transit: () => Promise.resolve(this.backend(form)) };
  }

  /** The backend alone. */
  backend(form: BackendForm = {}): Backend {
    return {
      open: async (reference, { signal }) => {
        const name = reference.kind === 'transit' ? reference.key : '';
        const { publicKey } = await this.#ask({ op: 'open', key: name }, signal);
        return this.#key(name, Buffer.from(publicKey ?? '', 'base64'), form);
      },
    };
  }

  #key(
    name: string,
    publicKey: Uint8Array,
    { batches, ecdsaForm = 'der', mostAtOnce, renew }: BackendForm,
  ): BackendKey {
    const signMany = async (
      inputs: readonly Uint8Array[],
      signal: AbortSignal,
    ): Promise<readonly Uint8Array[]> => {
      const messages = inputs.map((input) => Buffer.from(input).toString('base64'));
      const { signatures = [] } = await this.#ask({ op: 'sign', key: name, messages }, signal);
      return signatures.map((signature) => Buffer.from(signature, 'base64'));
    };
    return {
      publicKey,
      algorithm: publicKeyAlgorithm(publicKey),
      version: '1',
      ecdsaForm,
      sign: async (input, signal) => (await signMany([input], signal))[0] ?? new Uint8Array(),
      mostAtOnce,
      ...(batches === true ? { signMany } : {}),
      ...(renew === undefined ? {} : { renew }),
      describe: () => Promise.resolve([{ name: 'key', value: name }]),
      close: () => Promise.resolve(),
    };
  }

  /** One question on a connection of its own. */
  #ask(ask: KeyServerAsk, signal: AbortSignal): Promise<KeyServerAnswer> {
    return new Promise((resolve, reject) => {
      const gone = new SignerError('SIGNER_UNAVAILABLE', 'the key server does not answer');
      const socket = connect(this.#socket);
      let text = '';
      const end = (): void => {
        socket.destroy();
        reject(gone);
      };
      signal.addEventListener('abort', end, { once: true });
      socket.setEncoding('utf8');
      socket.on('data', (part: string) => (text += part));
      socket.on('error', end);
      socket.on('close', () => {
        signal.removeEventListener('abort', end);
        if (!text.endsWith('\n')) {
          reject(gone);
          return;
        }
        const answer = JSON.parse(text) as KeyServerAnswer;
        const { failure, retryAfterMs } = answer;
        if (failure === undefined) resolve(answer);
        else reject(new SignerError(failure, 'the key server refuses', { retryAfterMs }));
      });
      socket.write(`${JSON.stringify(ask)}\n`);
    });
  }
}
