/** Fulcio beside ours: ephemeral P-256 CA, no CT log at all, the same configuration and the same requests. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startFulcioProgram } from './fulcio-program.ts';
import { githubProviderYaml } from './github-provider-yaml.ts';
import type { System } from './mayfly.ts';
import { pinned, stop } from './process.ts';
import { workFolder } from './work-folder.ts';

/** Starts Fulcio on `core` with one Go processor. */
export async function startFulcio(program: string, issuer: string, core: number): Promise<System> {
  const config = join(workFolder('fulcio'), 'config.yaml');
  writeFileSync(config, githubProviderYaml(issuer));
  const env = { GOMAXPROCS: '1' };
  const { port, child } = await startFulcioProgram({ program, config, launcher: pinned(core, []), env });
  return { host: '127.0.0.1', port, pid: child.pid ?? 0, close: () => stop(child) };
}
