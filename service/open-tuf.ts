import type { Clock, SteadyClock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { DataPaths } from '../instance/data-paths.ts';
import { openKey } from '../instance/open-key.ts';
import { openTufOnlineKeys } from '../instance/tuf-online-keys.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import type { CtLog } from '../ct-log/ct-log.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { providerForPeople, type ServiceUrls } from '../trust/signing-services.ts';
import { usualPublicUrl } from '../trust/usual-public-url.ts';
import type { Signer } from '../signers/signer.ts';
import { isMissing } from '../storage/read-whole.ts';
import type { Repository } from '../trust/tuf/repository.ts';
import { TufUpkeep } from '../trust/tuf/upkeep.ts';
import type { ShutdownOrder } from './shutdown-order.ts';

/** What the upkeep of the TUF repository works with. */
interface TufParts {
  readonly paths: DataPaths;
  readonly clock: Clock;
  readonly steadyClock: SteadyClock | undefined;
  readonly passphrase: string | undefined;
  readonly serviceLog: ServiceLog;
}

/** Opens the TUF repository of a data directory, which need not have one: reads it, and signs what is due, so that the first client finds it fresh.
 * Never rejects: what is wrong with it is logged, and keeps no certificate from being issued. Registers its end in `shutdown`. */
export async function openTuf(parts: TufParts, shutdown: ShutdownOrder): Promise<TufUpkeep> {
  const { paths, clock, steadyClock, serviceLog } = parts;
  const upkeep = new TufUpkeep({
    directory: paths.tuf,
    clock,
    steadyClock,
    openOnlineKeys: (root) => openOnlineKeys(parts, root),
    onSigned: (versions) => {
      serviceLog.note('info', 'TUF metadata signed', { ...versions });
    },
    onTrouble: (failure) => {
      if (failure === undefined) serviceLog.note('warn', 'the TUF repository works again', {});
      else
        serviceLog.note('error', 'the TUF repository cannot be read or signed; it is tried again', {
          sentence: failure,
        });
    },
    onComparisonTrouble: (failure) => {
      if (failure === undefined)
        serviceLog.note('info', 'what the TUF repository should hold can be read again', {});
      else
        serviceLog.note(
          'error',
          'what the TUF repository should hold cannot be read; clients get what is signed',
          {
            sentence: failure,
          },
        );
    },
    onDifference: (names) => {
      if (names.length === 0)
        serviceLog.note('info', 'the targets of the TUF repository are what is exported', {});
      else
        serviceLog.note('warn', 'the targets of the TUF repository are not what is exported', {
          names,
          hint: STAGE,
        });
    },
  });
  shutdown.stores.add(() => upkeep.stop());
  await upkeep.check();
  return upkeep;
}

const STAGE = 'Run `mayfly trust tuf stage`, have the file signed, and import it.';

/** One that only waits keeps the service from nothing. */
async function openOnlineKeys(
  { paths, passphrase, serviceLog }: TufParts,
  root: Repository['root'],
): Promise<readonly Signer[]> {
  const { opened, unopened } = await openTufOnlineKeys(paths, root, passphrase);
  for (const { file, error } of unopened)
    serviceLog.note('warn', 'a TUF key that is not in use cannot be opened', {
      file,
      sentence: messageOf(error),
      hint: WAITING,
    });
  return opened.map(({ signer }) => signer);
}

const WAITING =
  'It cannot follow the key in use: remove the file, and stage another one: `mayfly trust tuf stage --new-online-key`.';

/** What the service knows of its own address and of its issuers. */
interface Addressed {
  readonly log: Pick<CtLog, 'identity'>;
  readonly policy: { readonly current: Pick<PolicySnapshot, 'issuers'> };
  /** Of the configuration. */
  readonly publicUrl: string | undefined;
  /** Where it listens. */
  readonly url: string;
  readonly isDevelopment: boolean;
  /** Of the configuration. */
  readonly grantsTimestamps: boolean;
  readonly artifactLogs: ServiceUrls['artifactLogs'];
}

/** Where clients find the services, as far as a running service knows: as `mayfly trust export` says it, but for development, where it is the listener. */
export const urlsOfService = ({ log, policy, publicUrl, url, ...of }: Addressed): ServiceUrls => ({
  publicUrl: publicUrl ?? (of.isDevelopment ? url : usualPublicUrl(log.identity)),
  openidProvider: providerForPeople(policy.current.issuers.map(({ definition }) => definition)),
  grantsTimestamps: of.grantsTimestamps,
  artifactLogs: of.artifactLogs,
});

/** Opens the key of root and targets, which a directory for development has; undefined where it was taken away. */
export async function tufRootKeyOpener({
  tufRootKey,
}: DataPaths): Promise<(() => Promise<Signer>) | undefined> {
  return (await isMissing(tufRootKey)) ? undefined : () => openKey(tufRootKey);
}
