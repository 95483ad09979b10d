/**
 * The service under attack: the real program with its own data directory and two issuers, one of which never responds. It
 * is observed from outside: resident memory, processor time, size of its log.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createPublicKey, generateKeyPairSync, hash, type KeyObject } from 'node:crypto';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startIssuer, type TestIssuer } from '../test/support/oidc-issuer.ts';

const program = join(import.meta.dirname, '../../bin/mayfly.js');

/** What attackers know of the service. Plain data: it is sent to another process as JSON. */
export interface TargetAddress {
  readonly url: string;
  readonly metricsUrl: string;
  readonly logUrl: string;
  /** Where gRPC is taken without TLS. */
  readonly grpcUrl: string;
  /** The same behind a proxy that has one connection for all its clients; only for the attacks that go through it. */
  readonly proxyUrl?: string | undefined;
  /** The honest client's issuer, and the id of its key. */
  readonly issuer: string;
  readonly keyId: string;
  /** A configured issuer that accepts connections and never responds. */
  readonly hangingIssuer: string;
  /** SHA-256 of the honest client's key in the log of artifacts, hexadecimal: what it logged is found by that. */
  readonly entryKeyHash: string;
}

/** Of the proxy that the service trusts. Of Linux' loopback network every address can be used. */
export const PROXY_ADDRESS = '127.0.0.3';

/** Each token of the honest client works once, and its rate limit is twice what it needs: an attack that uses the limit up
 * shows within seconds. */
const configuration = (issuer: string, hanging: string, entryKey: string): string => `oidc-issuers:
  ${issuer}:
    issuer-url: ${issuer}
    client-id: sigstore
    type: email
    mayfly:
      replay-guard: jti
      rate-limit:
        principal: { per-minute: 4800, burst: 100 }
  ${hanging}:
    issuer-url: ${hanging}
    client-id: sigstore
    type: email
mayfly:
  require-rules: false
  trusted-proxies: [${PROXY_ADDRESS}]
  artifact-log: { keys: [${entryKey}] }
`;

/** Issuers and data directory, which outlive a service. */
export class Environment {
  readonly data: string;
  readonly issuer: TestIssuer;
  readonly hangingIssuer: string;
  /** Signs what the honest client logs: its public key is one of those that the operator lists. */
  readonly entryKey: KeyObject;
  readonly #hanging: Server;
  readonly #work: string;

  private constructor(work: string, issuer: TestIssuer, hanging: Server) {
    this.#work = work;
    this.data = join(work, 'data');
    this.issuer = issuer;
    this.#hanging = hanging;
    this.hangingIssuer = `http://127.0.0.1:${(hanging.address() as AddressInfo).port}`;
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.entryKey = privateKey;
    writeFileSync(join(work, 'entries.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  }

  static async make(): Promise<Environment> {
    const work = mkdtempSync(join(tmpdir(), 'mayfly-abuse-'));
    const made = new Environment(work, await startIssuer(), await startHangingServer());
    const { data, issuer, hangingIssuer } = made;
    execFileSync(process.execPath, [program, 'init', '--data', data, '--keep-root-key', '--json']);
    writeFileSync(join(data, 'config.yaml'), configuration(issuer.url, hangingIssuer, '../entries.pem'));
    return made;
  }

  get logFile(): string {
    return join(this.#work, 'service.log');
  }

  async remove(): Promise<void> {
    this.#hanging.close();
    await this.issuer.close();
    rmSync(this.#work, { recursive: true, force: true });
  }
}

/** A server that accepts connections and never responds. */
async function startHangingServer(): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => undefined).resume());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** Seconds of a main thread. */
export interface ProcessorTime {
  readonly worked: number;
  readonly waited: number;
}

/** A running `mayfly serve`. */
export class Target {
  readonly address: TargetAddress;
  readonly #child: ChildProcess;
  readonly #logFile: string;

  private constructor(child: ChildProcess, address: TargetAddress, logFile: string) {
    this.#child = child;
    this.address = address;
    this.#logFile = logFile;
  }

  static async start(
    { data, issuer, hangingIssuer, entryKey, logFile }: Environment,
    workers: number,
  ): Promise<Target> {
    const options = ['--listen', '--metrics-listen', '--grpc-listen'];
    const anywhere = options.flatMap((option) => [option, '127.0.0.1:0']);
    const log = openSync(logFile, 'a');
    const threads = workers === 1 ? [] : ['--workers', String(workers)];
    const args = [program, 'serve', '--data', data, '--json', ...anywhere, ...threads];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', log] });
    closeSync(log);
    const ready = JSON.parse(await firstLine(child)) as TargetAddress & { readonly grpcListen: string };
    const { url, metricsUrl, logUrl } = ready;
    const grpcUrl = `http://${ready.grpcListen}`;
    const spki = createPublicKey(entryKey).export({ type: 'spki', format: 'der' });
    const facts = { hangingIssuer, entryKeyHash: hash('sha256', spki, 'hex') };
    const issuerFacts = { issuer: issuer.url, keyId: issuer.key.kid };
    return new Target(child, { url, metricsUrl, logUrl, grpcUrl, ...issuerFacts, ...facts }, logFile);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resident bytes now; 0 where /proc is missing or the process is gone. */
  get memory(): number {
    const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(this.#proc('status')) ?? [];
    return Number(kib ?? 0) * 1024;
  }

  /** Seconds for which the main thread has run, and has waited for a processor; 0 where /proc is missing. */
  get processor(): ProcessorTime {
    const [worked = 0, waited = 0] = this.#proc('schedstat').split(' ').map(Number);
    return { worked: worked / 1e9, waited: waited / 1e9 };
  }

  /** Bytes of the service log. */
  get logBytes(): number {
    return statSync(this.#logFile).size;
  }

  /** Ends the service, in order unless `signal` says otherwise. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.isRunning) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill(signal);
    await gone;
  }

  #proc(name: string): string {
    try {
      return readFileSync(`/proc/${this.#child.pid ?? 0}/${name}`, 'utf8');
    } catch {
      return '';
    }
  }
}

/** The first line of the child's stdout; rejects when it exits before. */
async function firstLine(child: ChildProcess): Promise<string> {
  const { stdout } = child;
  if (stdout === null) throw new TypeError('the child has no stdout');
  return new Promise<string>((resolve, reject) => {
    const ended = (code: unknown): void => {
      reject(new Error(`mayfly serve ended with ${String(code)} before it was ready`));
    };
    child.once('error', reject).once('exit', ended);
    createInterface({ input: stdout }).once('line', (line) => {
      child.off('exit', ended);
      resolve(line);
    });
  });
}
