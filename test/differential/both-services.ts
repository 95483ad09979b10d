/** Fulcio and Mayfly side by side, on one configuration. */
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startFulcioProgram } from '../../bench/fulcio-program.ts';
import { ANYWHERE, runMayfly, startMayfly } from '../support/mayfly.ts';
import { outcomeOf, type Outcome } from './outcome.ts';

/** What each of them answered. */
export interface Answers {
  readonly fulcio: Outcome;
  readonly mayfly: Outcome;
}

/** A request for a certificate. */
export interface SigningCall {
  readonly path: 'v1' | 'v2';
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body: unknown;
}

/** Both programs, running. */
export interface BothServices {
  /** Sends one request to both. */
  ask(call: SigningCall): Promise<Answers>;
  readonly urls: Readonly<Record<keyof Answers, string>>;
  close(): Promise<void>;
}

/** Starts both with `config`, which is read by Fulcio as it is; Mayfly's has `ours` behind it. Both ask issuers beyond
 * this machine by way of `proxy`. */
export async function startBothServices(
  program: string,
  config: string,
  ours: string,
  proxy: string,
): Promise<BothServices> {
  const scratch = await mkdtemp(join(tmpdir(), 'mayfly-differential-'));
  const env = { HTTP_PROXY: proxy, http_proxy: proxy, NO_PROXY: '', no_proxy: '' };
  const file = join(scratch, 'fulcio.yaml');
  await writeFile(file, config);
  const fulcio = await startFulcioProgram({ program, config: file, env });
  const own = await startConfigured(join(scratch, 'data'), `${config}${ours}`, env).catch(
    async (error: unknown) => {
      await end(fulcio.child);
      throw error;
    },
  );
  const urls = { fulcio: `http://127.0.0.1:${fulcio.port}`, mayfly: own.url };
  return {
    ask: async (call) => {
      const [theirs, mine] = await Promise.all([post(urls.fulcio, call), post(urls.mayfly, call)]);
      return { fulcio: theirs, mayfly: mine };
    },
    urls,
    close: async () => {
      await Promise.all([fulcio.child, own.child].map(end));
      await rm(scratch, { recursive: true, force: true });
    },
  };
}

async function post(url: string, { path, headers, body }: SigningCall): Promise<Outcome> {
  const response = await fetch(`${url}/api/${path}/signingCert`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return outcomeOf(response.status, await response.text());
}

async function startConfigured(
  data: string,
  config: string,
  env: Readonly<Record<string, string>>,
): Promise<{ url: string; child: ChildProcess }> {
  const made = await runMayfly(['init', '--data', data, '--keep-root-key', '--json'], {
    byLauncher: 'built',
  });
  if (made.code !== 0) throw new Error(made.stderr);
  await writeFile(join(data, 'config.yaml'), config);
  const args = ['serve', '--data', data, '--json', ...ANYWHERE];
  const { child, firstLine } = startMayfly(args, { env, byLauncher: 'built' });
  return { url: (JSON.parse(await firstLine) as { url: string }).url, child };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}
