import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../../bench/free-port.ts';

/** versitygw, a gateway of other people's that speaks S3 over files, on files of its own. Its keys are those of `withBucketCredentials`. */
export class Versitygw {
  readonly bucket = 'tiles';
  readonly endpoint: string;
  readonly #program: string;
  readonly #root: string;
  #child: ChildProcess | undefined;

  private constructor(program: string, address: string) {
    this.#program = program;
    this.endpoint = `http://${address}`;
    this.#root = mkdtempSync(join(tmpdir(), 'mayfly-versitygw-'));
    // A bucket of the files is a folder; what is no content lies beside, for file systems without attributes.
    mkdirSync(join(this.#root, 'files', this.bucket), { recursive: true });
    mkdirSync(join(this.#root, 'beside'));
  }

  /** Resolves when it answers. */
  static async start(program: string): Promise<Versitygw> {
    const gateway = new Versitygw(program, `127.0.0.1:${await freePort()}`);
    await gateway.up();
    return gateway;
  }

  /** Starts it again, after {@link signal} has ended it. */
  async up(): Promise<void> {
    const words = ['--access', 'test', '--secret', 'testtest', '--port', new URL(this.endpoint).host];
    const folders = ['--sidecar', join(this.#root, 'beside'), join(this.#root, 'files')];
    this.#child = spawn(this.#program, [...words, 'posix', ...folders], { stdio: 'ignore' });
    while (!(await answers(this.endpoint))) await delay(50);
  }

  /** SIGSTOP and SIGCONT pause and wake it; SIGKILL ends it. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Ends it and removes its files. */
  remove(): void {
    this.signal('SIGKILL');
    rmSync(this.#root, { recursive: true });
  }
}

const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    () => true,
    () => false,
  );
