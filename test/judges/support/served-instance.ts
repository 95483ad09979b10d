/** A running `mayfly serve` beside a real issuer, with a configuration of the test: for what `mayfly dev` has no configuration for. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import { ANYWHERE, runMayfly, startMayfly } from '../../support/mayfly.ts';

/** It runs. */
export interface ServedInstance {
  readonly url: string;
  readonly data: string;
  /** The folder around {@link ServedInstance.data}, for the test's own files. */
  readonly scratch: string;
  /** Whose tokens it takes. */
  readonly issuer: TestIssuer;
  /** Everything on stderr so far. */
  readonly stderr: () => string;
  stop(): Promise<void>;
}

/** How it is started. */
interface ServedOptions {
  /** The text of its configuration; by default a block of type email. */
  readonly configuration?: (issuer: string) => string;
  /** Certificate and key of its HTTPS port, PEM; without them it speaks HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Where clients find it, as the configuration says, too; on a port of loopback it listens there. With it, it publishes a TUF repository. */
  readonly publicUrl?: string;
}

const emailIssuer = (issuer: string): string =>
  `oidc-issuers: { "${issuer}": { issuer-url: "${issuer}", client-id: sigstore, type: email } }\n`;

/** Starts it. */
export async function startServed({
  configuration = emailIssuer,
  tls,
  publicUrl,
}: ServedOptions = {}): Promise<ServedInstance> {
  const scratch = await mkdtemp(join(tmpdir(), 'mayfly-served-'));
  const issuer = await startIssuer();
  const data = join(scratch, 'data');
  const config = join(scratch, 'config.yaml');
  await writeFile(config, configuration(issuer.url));
  const name = publicUrl === undefined ? [] : ['--public-url', publicUrl];
  const { code, stderr } = await runMayfly(
    ['init', '--data', data, '--keep-root-key', '--config', config, ...name],
    { byLauncher: 'built' },
  );
  if (code !== 0) throw new Error(stderr);
  const words = ['serve', ...ANYWHERE, '--json', '--data', data];
  if (publicUrl?.startsWith('http://127.0.0.1:')) words.push('--listen', new URL(publicUrl).host);
  if (tls !== undefined) {
    await writeFile(join(scratch, 'cert.pem'), tls.cert);
    await writeFile(join(scratch, 'key.pem'), tls.key);
    words.push('--tls-cert', join(scratch, 'cert.pem'), '--tls-key', join(scratch, 'key.pem'));
  }
  const service = startMayfly(words, { byLauncher: 'built' });
  const { url } = JSON.parse(await service.firstLine) as { url: string };
  const stop = async (): Promise<void> => {
    service.child.kill('SIGTERM');
    await service.ended;
    await issuer.close();
    await rm(scratch, { recursive: true, force: true });
  };
  return { url, data, scratch, issuer, stderr: service.stderr, stop };
}
