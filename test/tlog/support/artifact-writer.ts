/**
 * A process that writes an artifact log, whose full tiles never become durable. Arguments: directory, a file with the PEM of
 * its key, how many entries. Prints each receipt in base64 as a line of its own, and goes on until it is killed.
 */
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { toBase64 } from '../../../core/bytes.ts';
import { fileTileStore } from '../../../tlog/store/file-tile-store.ts';
import { artifact, keyPairOf, openArtifactLog } from './artifact-log.ts';

const [directory = '', keyFile = '', count = '0'] = process.argv.slice(2);
const key = keyPairOf(createPrivateKey(readFileSync(keyFile)));
const never = new Promise<void>(() => undefined);
const tiles = { ...fileTileStore(directory), put: () => never };
const log = await openArtifactLog({ directory, key, clock: Date.now, stores: { tiles } });
for (let i = 0; i < Number(count); i++) {
  const { receipt } = await log.append(artifact(i));
  process.stdout.write(`${toBase64(receipt.proof)}\n`);
}
setInterval(() => undefined, 1000);
