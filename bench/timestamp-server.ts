/** Sigstore's own timestamp authority beside ours: the same key and certificate, the same requests. */
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { findGoProgram, startProgram } from './go-program.ts';
import type { System } from './mayfly.ts';
import { pinned, stop } from './process.ts';

/** The release that Mayfly is compared with. */
export const TIMESTAMP_SERVER_VERSION = 'v1.2.9';

/** Where the program is; undefined, with the reason logged, where it cannot be had. */
export const findTimestampServer = (log: (text: string) => void): string | undefined =>
  findGoProgram(
    {
      title: 'timestamp-server',
      path: 'github.com/sigstore/timestamp-authority/cmd/timestamp-server',
      version: TIMESTAMP_SERVER_VERSION,
    },
    log,
  );

/** Starts it on `core` with one Go processor and the key of a data directory of ours. */
export async function startTimestampServer(program: string, data: string, core: number): Promise<System> {
  const port = await freePort();
  const command = pinned(core, [
    ...[
      program,
      'serve',
      '--host=127.0.0.1',
      `--port=${port}`,
      '--disable-ntp-monitoring',
      '--log-type=prod',
    ],
    ...['--timestamp-signer=file', `--file-signer-key-path=${join(data, 'keys/tsa.key.pem')}`],
    `--certificate-chain-path=${join(data, 'tsa/chain.pem')}`,
  ]);
  const url = `http://127.0.0.1:${port}/api/v1/timestamp/certchain`;
  const child = await startProgram(command, url, { GOMAXPROCS: '1' });
  return { host: '127.0.0.1', port, pid: child.pid ?? 0, close: () => stop(child) };
}
