import type { WitnessServerConfig } from '../config/settings/mayfly-config.ts';
import type { Clock } from '../core/clock.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import { readSecretFile, type Warn } from '../storage/secret-file.ts';
import { encodeVkey } from '../tlog/format/vkey.ts';
import { openWitness } from '../witness/witness-directory.ts';
import { serveWitness, type RunningWitness } from '../witness/witness-listener.ts';

/** Serves the witness of the configuration at its own address, with the directory and by the rules of `mayfly witness serve`; the one directory is for one of the two. Rejects as opening and serving it do, and then holds nothing. */
export async function openServiceWitness(
  { directory, listen, passphraseFile }: WitnessServerConfig,
  { clock, note, warn }: { readonly clock: Clock; readonly note: ServiceLog['note']; readonly warn: Warn },
): Promise<RunningWitness> {
  const passphrase =
    passphraseFile && (await readSecretFile(passphraseFile, 'passphrase of the witness', warn));
  const witness = await openWitness(directory, passphrase, clock);
  try {
    const running = await serveWitness(witness, listen, (event) => {
      note(event.fault === undefined ? 'info' : 'error', 'witness asked', { ...event });
    });
    note('info', 'witness serves', {
      url: running.url,
      vkey: encodeVkey(witness.vkey),
      logs: [...witness.logs.keys()],
    });
    return {
      url: running.url,
      close: async () => {
        await running.close();
        witness.close();
      },
    };
  } catch (error) {
    witness.close();
    throw error;
  }
}
