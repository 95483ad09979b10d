/** docs/migration.md, walked step by step with what another deployment leaves: its commands run in a directory as they stand there. */
import { join } from 'node:path';
import { documentedBlocks, runBlock } from '../../../support/documented-blocks.ts';
import { ANYWHERE, startMayfly } from '../../../support/mayfly.ts';

const PAGE = 'migration.md';

/** Who signed, and who says so. */
export interface WalkSigner {
  readonly identity: string;
  readonly issuer: string;
}

/** One walk. The directory has the files that the page names. */
export class MigrationWalk {
  readonly #scratch: string;

  constructor(scratch: string) {
    this.#scratch = scratch;
  }

  /** Steps 1 and 2. Resolves with what `init` says. */
  async adopt(): Promise<string> {
    const [make] = await documentedBlocks(PAGE, '1. Adopt the CA and the configuration');
    const made = await this.#run(make);
    const [look] = await documentedBlocks(PAGE, '2. See whom it lets in');
    await this.#run(look);
    return made;
  }

  /** Step 3. Resolves with what it says. */
  async takeTrust(): Promise<string> {
    const [take] = await documentedBlocks(PAGE, '3. Import what is trusted');
    return this.#run(take);
  }

  /** Step 4. */
  async addTimestamps(): Promise<void> {
    const [add] = await documentedBlocks(PAGE, '4. Make a key for timestamps');
    await this.#run(add);
  }

  /** Step 5, which the page has again at its end. */
  async handOut(): Promise<void> {
    const [handOut] = await documentedBlocks(PAGE, '5. Hand out the trust, before anything is issued here');
    await this.#run(handOut);
  }

  /** Step 6: the service runs for as long as `work` does, which is given its URL. */
  async serve(work: (url: string) => Promise<void>): Promise<void> {
    const [start = ''] = await documentedBlocks(PAGE, '6. Switch');
    const words = start.trim().replaceAll('/var/lib/mayfly', 'data').split(' ').slice(1);
    const service = startMayfly([...words, ...ANYWHERE, '--json'], { cwd: this.#scratch });
    try {
      await work((JSON.parse(await service.firstLine) as { url: string }).url);
    } finally {
      service.child.kill('SIGTERM');
      await service.ended;
    }
  }

  /** The end of step 6, of `old.pem` or `new.pem`. Rejects where it does not verify. */
  async verify(which: 'old' | 'new', { identity, issuer }: WalkSigner): Promise<void> {
    const [, verify = ''] = await documentedBlocks(PAGE, '6. Switch');
    const line = verify.split('\n').find((one) => one.includes(` ${which}.pem `));
    await this.#run(line, { 'you@example.com': identity, 'https://accounts.example.com': issuer });
  }

  /** Step 7, of the log with that id. */
  async end(logId: Uint8Array): Promise<void> {
    const [end] = await documentedBlocks(PAGE, '7. End what has ended');
    await this.#run(end, { 'LOG-ID': Buffer.from(logId).toString('base64') });
    await this.handOut();
  }

  /** The path of a file in the directory. */
  path(name: string): string {
    return join(this.#scratch, name);
  }

  #run(block: string | undefined, values: Readonly<Record<string, string>> = {}): Promise<string> {
    return runBlock(block ?? 'false', this.#scratch, { '/var/lib/mayfly': 'data', ...values });
  }
}
