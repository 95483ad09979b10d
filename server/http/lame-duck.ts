import type { Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds for which clients that keep coming put off the end. */
const LONGEST_SETTLING = 1_000;

/**
 * The time between the wish to stop and the end of accepting. Whoever looks at readiness learns that the service ends,
 * and sends nothing new; requests are answered as before. Resolves after `delayMs`, and then as soon as a whole turn of
 * the event loop brought no new connection: closing resets those that the kernel holds for us, with requests that were
 * sent before anybody could know. To be followed by closing in the same turn.
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
