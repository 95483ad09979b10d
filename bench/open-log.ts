/** Opens the log of the data directory that its argument names, as a start of the service does, and prints what that took in JSON: milliseconds, and bytes that were read. */
import { readFileSync } from 'node:fs';
import { openCtLog } from '../ct-log/ct-log.ts';
import { certificateLog } from '../instance/certificate-logs.ts';
import { OpenedKeys } from '../instance/opened-keys.ts';
import { openDataDirectory } from '../instance/data-directory.ts';
import { openLogKeys } from '../instance/open-key.ts';
import { openAuthority } from '../service/open-authority.ts';

/** Of the whole process so far, what lies in the page cache, too; 0 where /proc is missing. */
function bytesRead(): number {
  try {
    return Number(/^rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
  } catch {
    return 0;
  }
}

const opened = await openDataDirectory(process.argv[2] ?? '', { mode: 'production', write: true });
const { authority } = await openAuthority(opened.paths, new OpenedKeys({}), Date.now);
const { directory, ecdsaKey, ed25519Key } = certificateLog(opened);
const signers = await openLogKeys({ ecdsaKey, ed25519Key }, undefined);
const [begin, before] = [performance.now(), bytesRead()];
const log = await openCtLog({ directory, signers, chain: authority.chain, clock: Date.now });
const [ms, bytes] = [performance.now() - begin, bytesRead() - before];
await log.close();
process.stdout.write(`${JSON.stringify({ ms, bytes, size: log.status().size })}\n`);
