/** Ports for programs of others, which cannot say which one they took. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** Below what systems hand to connections and to listeners on port 0 (by default 32768 and up on Linux, 49152 on others), and above
 * what services have by custom. A port of theirs may be taken again before the program listens on it. */
const [FIRST, END] = [16_384, 32_768];

/** So many ports at least are left to choose from, below those where services listen by custom if need be. */
const FEWEST = 4_096;

/** The first port to choose and the one after the last, where the system hands out the ports of `handedOut`, as Linux writes it:
 * `32768\t60999`. Where next to nothing is left below those, or nothing is known of them, the usual ones. */
export function portsToChoose(handedOut: string | undefined): readonly [first: number, end: number] {
  const end = Math.min(END, Number(/^\d+/.exec(handedOut ?? '')?.[0] ?? END));
  const first = Math.min(FIRST, end - FEWEST);
  return first < 1_024 ? [FIRST, END] : [first, end];
}

function handedOut(): string | undefined {
  try {
    return readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
  } catch {
    return undefined;
  }
}

/** A port of 127.0.0.1 that nothing listens on now, and that the system does not hand to others. */
export async function freePort(): Promise<number> {
  const [first, end] = portsToChoose(handedOut());
  for (;;) {
    const port = randomInt(first, end);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE') resolve(false);
        else reject(error);
      });
      server.listen(port, '127.0.0.1', () => {
        resolve(true);
      });
    });
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
