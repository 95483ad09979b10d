/** A thread that answers what it is asked, after as many turns as it is told to, and ends when it is asked to. */
import { parentPort } from 'node:worker_threads';

/** Asks the thread. */
export type EchoRequest = 'end' | 'throw' | { readonly text: string };

parentPort?.on('message', (request: EchoRequest) => {
  if (request === 'end') process.exit(3);
  if (request === 'throw') throw new Error('it broke');
  parentPort?.postMessage(`${request.text}!`);
});
