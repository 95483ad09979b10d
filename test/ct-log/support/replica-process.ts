/**
 * A process of its own that writes a log together with others. Arguments: its own directory of the log, the directory of the
 * tiles (that of the log itself where they are elsewhere), a JSON file of KeyTexts, how many appends at a time, a number that no other process has.
 * Prints `open`; one line for each head before it is signed (`head SIZE TIME ROOT`), for each answer (`entry INDEX TIME HASH`), and for each refusal
 * (`refused CODE MILLISECONDS`); goes on until it is killed, or reads a line.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { toHex } from '../../../core/bytes.ts';
import { openCtLog, type CtLog } from '../../../ct-log/ct-log.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { chooseStores } from '../../../tlog/store/choose-stores.ts';
import { readTreeHead } from './ledger.ts';
import { signersOf, type KeyTexts } from './log-keys.ts';
import { entry, ISSUER } from './test-log.ts';

const [directory = '', tileDirectory = '', keyFile = '', width = '1', number = '0'] = process.argv.slice(2);
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
  const { tiles } = await chooseStores(tileDirectory);
  return openCtLog({
    directory,
    signers: { ...signers, treeHead },
    chain: [ISSUER],
    clock: Date.now,
    stores: { tiles },
  });
}

let isStopping = false;

async function appendForever(log: CtLog, seed: number): Promise<void> {
  for (let i = seed; !isStopping; i += 1000) {
    const began = performance.now();
    try {
      const { index, timestamp, leafHash } = await log.append(entry(Number(number) * 100_000_000 + i));
      print('entry', index, timestamp, toHex(leafHash));
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      print('refused', error.code, Math.round(performance.now() - began));
      await delay(20);
    }
  }
}

const log = await open();
print('open');
process.stdin.once('data', () => (isStopping = true));
await Promise.all(Array.from({ length: Number(width) }, (_, seed) => appendForever(log, seed)));
await log.close();
process.exit(0);
