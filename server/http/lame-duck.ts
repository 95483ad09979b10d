import type { Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds for which new connections may delay the end. */
const LONGEST_SETTLING = 1_000;

/**
 * The time between the decision to stop and the end of accepting. Load balancers see in the readiness that the service ends,
 * and send nothing new. Requests are answered as before. Resolves after `delayMs`, and then as soon as a whole turn of the
 * event loop brought no new connection. Closing resets the connections that the kernel has not handed over yet, with
 * requests that were sent before the client could know. The caller has to close in the same turn.
 */
export async function lameDuck(server: Server, delayMs: number): Promise<void> {
  let accepted = 0;
  const count = (): void => {
    accepted++;
  };
  server.on('connection', count);
  try {
    if (delayMs > 0) await delay(delayMs);
    const end = performance.now() + LONGEST_SETTLING;
    for (let seen = -1; seen !== accepted && performance.now() < end;) {
      seen = accepted;
      await turn();
    }
  } finally {
    server.off('connection', count);
  }
}

/** A turn in which the event loop has asked the kernel for connections: between two rounds of immediates. */
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(() => setImmediate(resolve));
  });
