/**
 * A process of its own that writes a log. Arguments: directory, a JSON file of KeyTexts, how many appends at a time.
 * Prints one line for each head before it is signed (`head SIZE TIME ROOT`), for each answer (`entry INDEX TIME
 * HASH`), or `refused CODE` when the log cannot be opened; goes on until it is killed.
 */
import { readFileSync } from 'node:fs';
import { toHex } from '../../../core/bytes.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { openCtLog, type CtLog } from '../../../ct-log/ct-log.ts';
import { readTreeHead } from './ledger.ts';
import { signersOf, type KeyTexts } from './log-keys.ts';
import { entry, ISSUER } from './test-log.ts';

const [directory = '', keyFile = '', width = '1'] = process.argv.slice(2);
// What a kill keeps from leaving the process is missing in the ledger, which proves less but nothing wrong.
const print = (...words: readonly unknown[]): void => {
  process.stdout.write(`${words.join(' ')}\n`);
};

async function open(): Promise<CtLog> {
  const signers = signersOf(JSON.parse(readFileSync(keyFile, 'utf8')) as KeyTexts);
  const treeHead: typeof signers.treeHead = {
    ...signers.treeHead,
    sign: (data) => {
      const head = readTreeHead(data);
      if (head !== undefined) print('head', head.size, head.timestamp, head.root);
      return signers.treeHead.sign(data);
    },
  };
  return openCtLog({ directory, signers: { ...signers, treeHead }, chain: [ISSUER], clock: Date.now });
}

async function appendForever(log: CtLog, seed: number): Promise<never> {
  for (let i = seed; ; i += 1000) {
    const { index, timestamp, leafHash } = await log.append(entry(i));
    print('entry', index, timestamp, toHex(leafHash));
  }
}

try {
  const log = await open();
  await Promise.all(Array.from({ length: Number(width) }, (_, seed) => appendForever(log, seed)));
} catch (error) {
  print('refused', error instanceof LogError ? error.code : String(error));
}
