/** The log of somebody else that certificates go to, as the configuration has it. */
import type { OutsideLogConfig } from '../config/settings/log-config.ts';
import type { Clock } from '../core/clock.ts';
import { FormatError, messageOf } from '../core/errors.ts';
import { decodePem } from '../core/pem.ts';
import { OutsideLog } from '../ct-log/outside/outside-log.ts';
import { KeyFileError } from '../signers/key-error.ts';
import { readWhole } from '../storage/read-whole.ts';
import { recordTrust, type TrustPlaces } from '../trust/ledger.ts';
import { trustedLog } from '../trust/trusted-entries.ts';
import { logKey } from '../trust/union.ts';

/** Of a file; and milliseconds that a pipe may take. */
const LIMITS = { size: 1024 * 1024, pipePatience: 60_000 };

/** What it is opened with. */
interface OutsideLogParts {
  readonly chain: readonly Uint8Array[];
  readonly publicUrl: string | undefined;
  readonly clock: Clock;
}

/** The client of the log. Rejects with KeyFileError for a file that cannot be read or holds something else. Asks no network. */
export async function openOutsideLog(
  { url, publicKeyFile, tlsRootsFile }: OutsideLogConfig,
  { chain, publicUrl, clock }: OutsideLogParts,
): Promise<OutsideLog> {
  const tlsRoots =
    tlsRootsFile && (await readPem(tlsRootsFile, 'ct-log-tls-roots', 'CERTIFICATE', (text) => text));
  return readPem(publicKeyFile, 'ct-log-public-key', 'PUBLIC KEY', (_, [publicKey = new Uint8Array()]) => {
    return new OutsideLog({ url, publicKey, tlsRoots, origin: originOf(publicUrl), chain, clock });
  });
}

const originOf = (url: string | undefined): string | undefined =>
  url === undefined ? undefined : new URL(url).origin;

async function readPem<T>(
  file: string,
  setting: string,
  label: string,
  use: (text: string, ders: readonly Uint8Array[]) => T,
): Promise<T> {
  try {
    const text = (await readWhole(file, LIMITS)).toString('utf8');
    const blocks = decodePem(text, 64);
    if (blocks.length === 0 || blocks.some((block) => block.label !== label))
      throw new FormatError('MALFORMED', `it holds something else than ${label}`);
    return use(
      text,
      blocks.map(({ bytes }) => bytes),
    );
  } catch (error) {
    const message = `${file}, the file of mayfly.${setting}, cannot be used: ${messageOf(error)}`;
    throw new KeyFileError('KEY_FILE_MALFORMED', message, {
      hint: `Write a PEM file with ${label} as the operator of that log hands it out.`,
    });
  }
}

/** Has verifiers trust the log from now on, unless they do already: certificates carry its SCT alone. Rejects with TrustError where that cannot be recorded. */
export async function trustOutsideLog(
  places: TrustPlaces,
  { url, publicKey, logId }: OutsideLog,
  now: number,
): Promise<void> {
  const entry = trustedLog({ publicKey, logId, createdAt: now }, url);
  await recordTrust(places, (root) =>
    root.certificateLogs.some((log) => logKey(log) === logKey(entry))
      ? root
      : { ...root, certificateLogs: [...root.certificateLogs, entry] },
  );
}
