/** OpenBao itself, in memory, with a transit engine, for as long as a test lasts. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../../bench/free-port.ts';

const TOKEN = 'root';

/** An answer of it. */
export interface OpenBaoAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A running one. */
export class OpenBaoServer {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #directory: string;
  #unsealKey = '';

  private constructor(child: ChildProcess, url: string, directory: string) {
    this.#child = child;
    this.url = url;
    this.#directory = directory;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#unsealKey = /Unseal Key: (\S+)/.exec(text)?.[1] ?? this.#unsealKey;
    });
  }

  /** What opens keys there. */
  get env(): Record<string, string> {
    return { BAO_ADDR: this.url, BAO_TOKEN: TOKEN };
  }

  /** Starts `program`. */
  static async start(program: string, { engine = true } = {}): Promise<OpenBaoServer> {
    const port = await freePort();
    const directory = mkdtempSync(join(tmpdir(), 'mayfly-openbao-'));
    const words = ['server', '-dev', '-dev-no-store-token', `-dev-root-token-id=${TOKEN}`];
    const child = spawn(program, [...words, `-dev-listen-address=127.0.0.1:${port}`], {
      cwd: directory,
      env: { HOME: directory },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const server = new OpenBaoServer(child, `http://127.0.0.1:${port}`, directory);
    while (server.#unsealKey === '' || !(await server.#isReady())) {
      if (child.exitCode !== null) throw new Error(`OpenBao ended with ${child.exitCode}`);
      await delay(50);
    }
    if (engine) await server.ask('POST', 'sys/mounts/transit', { type: 'transit' });
    return server;
  }

  /** Asks as root, or with another token; `''` is none. */
  async ask(method: 'GET' | 'POST', path: string, body?: object, token = TOKEN): Promise<OpenBaoAnswer> {
    const response = await fetch(`${this.url}/v1/${path}`, {
      method,
      headers: token === '' ? {} : { 'x-vault-token': token },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as OpenBaoAnswer['body']) };
  }

  async seal(): Promise<void> {
    await this.ask('POST', 'sys/seal', {});
  }

  async unseal(): Promise<void> {
    await this.ask('POST', 'sys/unseal', { key: this.#unsealKey }, '');
  }

  async close(): Promise<void> {
    if (this.#child.exitCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #isReady(): Promise<boolean> {
    return this.ask('GET', 'sys/health').then(
      ({ status }) => status === 200,
      () => false,
    );
  }
}
