/** Ports for programs of others, which cannot say which one they took. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below what systems hand to connections and to listeners on port 0 (32768 and up on Linux, 49152 on others), and above
 * what services have by custom. A port of theirs may be taken again before the program listens on it. */
const [FIRST, END] = [16_384, 32_768];

/** A port of 127.0.0.1 that nothing listens on now, and that the system does not hand to others. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, END);
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
