/** Claims made-up tokens without end and says which of them it was given, until it is killed: `node replay-process FILE`. */
import { createHash } from 'node:crypto';
import { openReplayGuard } from '../../../../policy/replay/replay-guard.ts';

const [, , path = ''] = process.argv;
const guard = await openReplayGuard(path, Date.now);
for (let n = 0; ; n += 8) {
  await Promise.all(
    Array.from({ length: 8 }, async (_, i) => {
      const name = String(n + i);
      const key = createHash('sha256').update(name).digest();
      if (await guard.markUsed(key, Date.now() + 3_600_000)) process.stdout.write(`${name}\n`);
    }),
  );
}
