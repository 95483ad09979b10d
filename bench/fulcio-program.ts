/** Fulcio's own program: built once with Go, kept below node_modules, and started with a CA of its own and no CT log. */
import type { ChildProcess } from 'node:child_process';
import { freePort } from './free-port.ts';
import { findGoProgram, startProgram } from './go-program.ts';

/** The release that Mayfly is compared with. */
export const FULCIO_VERSION = 'v1.8.8';

/** Where the program is, built with Go if it is not there yet; undefined, with the reason logged, where it cannot be had. */
export const findFulcio = (log: (text: string) => void): string | undefined =>
  findGoProgram({ title: 'Fulcio', path: 'github.com/sigstore/fulcio', version: FULCIO_VERSION }, log);

/** A running Fulcio. */
export interface RunningFulcio {
  readonly port: number;
  readonly child: ChildProcess;
}

/** How {@link startFulcioProgram} starts it. */
export interface FulcioOptions {
  readonly program: string;
  /** Its configuration file. */
  readonly config: string;
  /** Put in front of the command. */
  readonly launcher?: readonly string[] | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Files of its CA; without them it makes one, of which nobody has the key. */
  readonly ca?: FulcioCa | undefined;
  /** Where it logs certificates; without it, nowhere. */
  readonly ctLog?: FulcioCtLog | undefined;
}

/** A CA that Fulcio is given: files in PEM. */
interface FulcioCa {
  /** Issuing CA first. */
  readonly chain: string;
  /** Encrypted. */
  readonly key: string;
  readonly passphrase: string;
}

/** An RFC 6962 log. */
interface FulcioCtLog {
  readonly url: string;
  /** The file of its public key, in PEM, by which Fulcio verifies what the log promises. */
  readonly publicKey: string;
}

let started = 0;

/** Starts Fulcio on 127.0.0.1 and waits until it is healthy. */
export async function startFulcioProgram(options: FulcioOptions): Promise<RunningFulcio> {
  const [port, grpc, metrics] = [await freePort(), await freePort(), await freePort()];
  const command = [
    ...(options.launcher ?? []),
    ...[options.program, 'serve', `--config-path=${options.config}`],
    ...caOptions(options.ca),
    ...ctLogOptions(options.ctLog),
    ...['--host=127.0.0.1', `--port=${port}`, '--grpc-host=127.0.0.1', `--grpc-port=${grpc}`],
    ...[`--metrics-port=${metrics}`, `--legacy-unix-domain-socket=@mayfly-${process.pid}-${++started}`],
  ];
  const child = await startProgram(command, `http://127.0.0.1:${port}/healthz`, options.env);
  return { port, child };
}

const caOptions = (ca: FulcioCa | undefined): readonly string[] =>
  ca === undefined
    ? ['--ca=ephemeralca']
    : [
        ...['--ca=fileca', `--fileca-cert=${ca.chain}`, `--fileca-key=${ca.key}`],
        ...[`--fileca-key-passwd=${ca.passphrase}`, '--fileca-watch=false'],
      ];

const ctLogOptions = (log: FulcioCtLog | undefined): readonly string[] =>
  log === undefined
    ? ['--ct-log-url=']
    : [`--ct-log-url=${log.url}`, `--ct-log-public-key-path=${log.publicKey}`];
