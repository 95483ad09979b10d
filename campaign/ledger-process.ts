/** The process of its own that keeps a {@link Ledger}: nothing that happens to a service, or to what drives it, happens to the ledger. Arguments: its file, and the directories that have the public keys of the logs. */
import { answerReaders, type LogName } from './answers.ts';
import { Ledger } from './ledger.ts';
import type { LedgerReply, LedgerRequest } from './ledger-client.ts';
import { inconsistencies, readServed, readStored, type LogPlaces } from './read-log.ts';

const [file = '', certificates = '', artifacts = ''] = process.argv.slice(2);
const readers = await answerReaders({ certificates, artifacts });
const ledger = await Ledger.open(file, readers);
/** Proofs that are asked for each time. */
const PAIRS = 20;

const LOGS: readonly LogName[] = ['certificates', 'artifacts'];

async function faults(places: LogPlaces, isServed: boolean, upTo: number | undefined): Promise<string[]> {
  const found: string[] = [];
  for (const log of LOGS) {
    const current = isServed
      ? await readServed(places[log], readers[log])
      : await readStored(log, places[log]);
    found.push(...ledger.verify(log, current, upTo));
  }
  // Of the two logs, that of certificates answers with proofs. Where a promise is broken, it may have none.
  if (found.length === 0 && isServed && upTo === undefined)
    for await (const fault of inconsistencies(places.certificates, ledger.pairs('certificates', PAIRS)))
      found.push(`certificates: ${fault}`);
  return found;
}

async function answer(request: LedgerRequest): Promise<Omit<LedgerReply, 'id' | 'counts'>> {
  try {
    if (request.kind === 'note') await ledger.note(request.observations);
    else return { found: await faults(request.places, request.isServed, request.upTo) };
    return {};
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

// One after the other, as they came.
let last = Promise.resolve();
process.on('message', (request: LedgerRequest) => {
  last = last.then(async () => {
    const said = await answer(request);
    const reply: LedgerReply = { ...said, id: request.id, counts: ledger.counts };
    process.send?.(reply);
  });
});
process.on('disconnect', () => {
  process.exit(0);
});
