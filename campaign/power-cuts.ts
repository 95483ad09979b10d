/** Cuts of the power, from a record of every change that a real service made. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../core/errors.ts';
import { decodePem } from '../core/pem.ts';
import { openCtLog } from '../ct-log/ct-log.ts';
import { openKey, openLogKeys } from '../instance/open-key.ts';
import { openArtifactLog } from '../rekor/open-artifact-log.ts';
import { logUrls } from './clients.ts';
import { Done, endOf, type Chapter } from './chapter.ts';
import { SqliteDeployment, type Build } from './deployment.ts';
import type { LogPlaces } from './read-log.ts';
import { CUT_KINDS, readRecord, RecordedDisk, type CutKind } from './recorded-disk.ts';
import { Trial, type World } from './trial.ts';

/** Of so many cuts the service itself is started on what one left. */
const START_EVERY = 25;

/** Every cut is judged by a start. */
export const POWER_CUTS: Chapter = {
  name: 'Power cuts',
  what: 'Every change of a service under load, and of its start after a kill, is recorded. At random moments the record is cut: what was not synced is lost, or there, or its names without its bytes, or its bytes without their names, or some of it with torn writes. The logs are opened from what is left, as a start opens them; on some of it the service itself is started.',
  store: 'SQLite',
  async run(world, build, { cuts }, random) {
    const trial = Trial.make(world, build, { records: true });
    const done = new Done();
    const found: string[] = [];
    const cutFolder = folderForCuts(trial);
    const disk = new RecordedDisk(trial.deployment.data);
    for (const requests of [700, 120]) {
      found.push(...(await trial.restart()));
      if (found.length > 0) break;
      await trial.burst(requests);
      await trial.deployment.stop('SIGKILL');
    }
    const changes = readRecord(readFileSync(trial.recordFile));
    const chosen = Array.from({ length: cuts }, () => Math.floor(random() * changes.length));
    const moments = new Set(chosen);
    let number = 0;
    for (const [i, change] of changes.entries()) {
      disk.take(change);
      if (!moments.has(i) || found.length > 0) continue;
      for (const kind of CUT_KINDS) {
        const target = join(cutFolder, String(++number));
        disk.writeCut(kind, target, random);
        done.add(kind);
        const cut: Cut = { kind, at: i, of: changes.length, upTo: change.end };
        found.push(...named(cut, await judge(trial, target, change.end)));
        if (found.length === 0 && number % START_EVERY === 0) {
          found.push(...named(cut, await start({ world, build, trial }, target, change.end)));
          done.add('of them a service was started on');
        }
        rmSync(target, { recursive: true });
        if (found.length > 0) break;
      }
    }
    rmSync(cutFolder, { recursive: true, force: true });
    done.add('changes in the record', changes.length);
    return endOf(trial, done, found);
  },
};

/** In memory where that can be had: what lies there is made from the record, and how durable it is does not matter any more. */
function folderForCuts({ folder }: Trial): string {
  try {
    const made = mkdtempSync('/dev/shm/mayfly-cuts-');
    process.once('exit', () => {
      rmSync(made, { recursive: true, force: true });
    });
    return made;
  } catch {
    return join(folder, 'cuts');
  }
}

interface Cut {
  readonly kind: CutKind;
  readonly at: number;
  readonly of: number;
  readonly upTo: number;
}

const named = ({ kind, at, of }: Cut, found: readonly string[]): string[] =>
  found.map((fault) => `cut after change ${at + 1} of ${of} (${kind}): ${fault}`);

/** Opens both logs for writing, which recovers them, and holds them to what was known by then. */
async function judge(
  { ledger, deployment }: Trial<SqliteDeployment>,
  data: string,
  upTo: number,
): Promise<readonly string[]> {
  const moved = (path: string): string => join(data, path.slice(deployment.data.length));
  const places: LogPlaces = {
    certificates: moved(deployment.logs.certificates),
    artifacts: moved(deployment.logs.artifacts),
  };
  try {
    await recover(data, places);
  } catch (error) {
    return [`it does not open: ${messageOf(error)}`];
  }
  return ledger.verifyStored(places, upTo);
}

async function recover(data: string, { certificates, artifacts }: LogPlaces): Promise<void> {
  const clock = Date.now;
  const year = certificates.split('/').at(-1) ?? '';
  const key = (name: string): string => join(data, 'keys', `${name}.key.pem`);
  const keys = { ecdsaKey: key(`log-${year}-ecdsa`), ed25519Key: key(`log-${year}-ed25519`) };
  const chain = decodePem(readFileSync(join(data, 'ca/chain.pem'), 'utf8')).map(({ bytes }) => bytes);
  const signers = await openLogKeys(keys, undefined);
  const log = await openCtLog({ directory: certificates, signers, chain, clock });
  await log.close();
  const signer = await openKey(key('artifacts-v2'));
  const other = await openArtifactLog({ directory: artifacts, signer, clock });
  await other.close();
}

/** Starts the service on it, and holds what it serves to what was known by then. */
async function start(
  { world, build, trial }: { readonly world: World; readonly build: Build; readonly trial: Trial },
  data: string,
  upTo: number,
): Promise<readonly string[]> {
  const folder = join(trial.folder, 'started');
  mkdirSync(folder, { recursive: true });
  const deployment = new SqliteDeployment(build, { data, artifactKey: world.template.artifactKey }, folder);
  try {
    await deployment.start();
    const found: string[] = [];
    for (const replica of deployment.replicas)
      found.push(...(await trial.ledger.verifyServed(logUrls(replica), upTo)));
    return found;
  } catch (error) {
    return [messageOf(error)];
  } finally {
    await deployment.stop('SIGKILL');
    rmSync(folder, { recursive: true });
  }
}
