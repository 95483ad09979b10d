/**
 * What distinguishes a machine from another one, and a file from a copy of it. Each is undefined where the system has nothing that stays the same while nothing is copied: a
 * wrong answer would be taken for a copy.
 */
import { createHmac } from 'node:crypto';
import { existsSync, readFileSync, statSync, type BigIntStats } from 'node:fs';

/** Names this program, so that its id of a machine is that of no other program. */
const APPLICATION = '7c1d0d6e5b3a4f0f9c2b8e61a4d3f5a7';

/** systemd runs the machine: only then `/etc/machine-id` was made for this machine, and stays. */
const BOOTED = '/run/systemd/system';

/** In a container the id is that of the image, or another one each time. An id in `/run` is one for this boot. */
const NOT_LASTING = ['/run/systemd/container', '/.dockerenv', '/run/.containerenv', '/run/machine-id'];
const CONTAINER_VARIABLES = ['container', 'KUBERNETES_SERVICE_HOST'];

/**
 * The id of this machine, 32 hexadecimal digits: what sd_id128_get_machine_app_specific(3) returns, of which the id in `/etc/machine-id` is not known. Undefined in a container, where systemd does not run
 * the machine, and where the id is made anew at each boot. A cloned machine has the id of the other one, unless it was prepared for that.
 */
export function machineId(): string | undefined {
  if (process.platform !== 'linux' || !existsSync(BOOTED)) return undefined;
  if (NOT_LASTING.some((path) => existsSync(path))) return undefined;
  if (CONTAINER_VARIABLES.some((name) => process.env[name] !== undefined)) return undefined;
  const text = readIfThere('/etc/machine-id')?.trim() ?? '';
  if (!/^[0-9a-f]{32}$/.test(text) || /^0+$/.test(text)) return undefined;
  return derivedId(text, APPLICATION);
}

/** The id, 32 hexadecimal digits, that an application has in the place of another id: sd_id128_get_app_specific(3). */
export function derivedId(id: string, application: string): string {
  const key = Buffer.from(id, 'hex');
  const bytes = createHmac('sha256', key).update(Buffer.from(application, 'hex')).digest().subarray(0, 16);
  // As a UUID of version 4.
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex');
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/**
 * What the file at `path` has and a copy of it, made file by file, has not: its number in the file system and the time at which it was made. It stays when the file is written, renamed, or mounted elsewhere; a copy of a whole disk or volume has
 * it, too. Undefined where there is no file, or none that may be looked at, or the file system keeps no such time.
 */
export function fileIdentity(path: string): string | undefined {
  const { ino, birthtimeNs } = statusIfSeen(path) ?? {};
  if (ino === undefined || birthtimeNs === undefined || birthtimeNs <= 0n || !isBirthtimeRight())
    return undefined;
  return `${ino}-${birthtimeNs}`;
}

/** Undefined whatever the reason is: a path that a store was at before may lie where this user may not look, or lead nowhere. */
function statusIfSeen(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Where statx(2) is not to be had, the runtime has the time of the last change in its place. Files of /proc have none of their own. */
const isBirthtimeRight = (): boolean =>
  process.platform !== 'linux' || statusIfSeen('/proc/self')?.birthtimeNs === 0n;
