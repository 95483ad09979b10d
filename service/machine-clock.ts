import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import type { SteadyClock } from '../core/clock.ts';

/** The machine's own count of the time that passed. Where it cannot say how long it slept, it never did. */
export function machineClock(): SteadyClock {
  const now = (): number => performance.now();
  return {
    now,
    boot: bootId(),
    uptime: () => {
      try {
        return uptime() * 1000;
      } catch {
        return now();
      }
    },
  };
}

/** Only Linux says it in a file. */
function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim() || undefined;
  } catch {
    return undefined;
  }
}
