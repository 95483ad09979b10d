/** What the logs store is read through in the background. */
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { Scrubbing, SCRUB_FILE, type ScrubbedLog } from '../../service/scrubber.ts';
import type { ScrubStatus } from '../../server/operator/service-sources.ts';
import { storedFilesCheck } from '../../server/operator/degraded-checks.ts';
import { issuingLog } from '../ct-log/support/issuing-log.ts';
import { artifact, rekorLog } from '../rekor/support/rekor-log.ts';
import { flip } from '../cli/support/damage.ts';

interface Kind {
  readonly bundle: string;
  readonly make: () => Promise<{ readonly subject: ScrubbedLog; readonly remove: () => Promise<void> }>;
}

const KINDS: Readonly<Record<string, Kind>> = {
  certificates: {
    bundle: 'tile/data/001',
    make: async () => {
      const test = await issuingLog();
      await (await test.issue(600)).log.close();
      const log = await test.open();
      return {
        subject: { name: '2026', directory: test.directory, api: undefined, log },
        remove: () => test.remove(),
      };
    },
  },
  'artifacts of API 1': {
    bundle: 'tile/entries/001',
    make: async () => {
      const made = await rekorLog(1);
      const log = await made.open();
      await Promise.all(Array.from({ length: 600 }, (_, i) => log.add(artifact(i + 1))));
      return { subject: { name: 'v1', directory: made.directory, api: 1, log }, remove: () => made.remove() };
    },
  },
};

for (const [kind, { bundle, make }] of Object.entries(KINDS))
  describe(`service/scrubber: a log of ${kind}`, function () {
    this.timeout(120_000);
    let subject: ScrubbedLog;
    let remove: () => Promise<void>;
    let lines: string[];
    let scrubbing: Scrubbing;
    before(async () => {
      ({ subject, remove } = await make());
      while (subject.log.status().tileBacklog > 0) await delay(20);
    });
    after(() => remove());
    beforeEach(() => {
      lines = [];
      rmSync(join(subject.directory, SCRUB_FILE), { force: true });
    });
    afterEach(() => scrubbing.close());

    const start = (): void => {
      scrubbing = new Scrubbing([subject], 1, (_, event, facts) => {
        lines.push(`${event}: ${String(facts['sentence'])}`);
      });
      scrubbing.start(0);
    };
    const until = async (holds: (status: ScrubStatus) => boolean): Promise<ScrubStatus> => {
      for (;;) {
        const [status] = scrubbing.status();
        if (status !== undefined && holds(status)) return status;
        await delay(20);
      }
    };

    it('finds nothing where nothing is damaged, and keeps how far it was', async () => {
      start();
      const status = await until(({ endedAt }) => endedAt !== undefined);
      expect(status).to.include({ damaged: 0, of: 512, failure: undefined });
      expect(storedFilesCheck({ status: () => [status] })).to.have.nested.property('[0].ok', true);
      expect(existsSync(join(subject.directory, SCRUB_FILE))).to.equal(true);
      expect(lines).to.deep.equal([]);
    });

    it('finds a flipped bit and a file that is gone, says so once, and when they are right again', async () => {
      const [path, tile] = [join(subject.directory, bundle), join(subject.directory, 'tile/0/000')];
      const good = [readFileSync(path), readFileSync(tile)] as const;
      flip(bundle, 60)(subject.directory);
      rmSync(tile);
      start();
      const status = await until(({ damaged }) => damaged === 2);
      const [check] = storedFilesCheck({ status: () => [status] });
      expect(check?.ok).to.equal(false);
      expect(check?.detail).to.include('tile/0/000 is missing').and.include('and 1 more');
      await until(({ endedAt }) => endedAt !== undefined);
      await scrubbing.close();
      expect(lines).to.have.length(2);
      expect(lines.join('\n'))
        .to.match(/stored file damaged: tile\/0\/000 is missing/)
        .and.include(`${bundle} is damaged at byte`);

      // Those that were damaged are looked at first after a restart.
      writeFileSync(tile, good[1]);
      chmodSync(path, 0o600);
      writeFileSync(path, good[0]);
      start();
      const later = await until(({ endedAt, of }) => endedAt !== undefined && of > 0);
      expect(later.damaged).to.equal(0);
    });

    it('goes on after a restart where it was', async () => {
      writeFileSync(join(subject.directory, SCRUB_FILE), JSON.stringify({ next: 1, damaged: [] }));
      flip('tile/0/000', 60)(subject.directory);
      try {
        start();
        const status = await until(({ endedAt }) => endedAt !== undefined);
        expect(status.damaged).to.equal(0);
      } finally {
        flip('tile/0/000', 60)(subject.directory);
      }
    });
  });
