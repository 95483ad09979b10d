/** Which of the services of a signing config a client takes, as Sigstore's client specification says. */
import { MAX_PROOFS } from '../../bundle/format/bundle.ts';
import { rfc3339 } from '../../core/clock.ts';
import { isWithin } from '../../trust/format/trusted-root.ts';
import type { ServiceSelection, SigningService } from '../../trust/format/signing-config.ts';
import { CommandError } from '../program/command.ts';

/** Those that are to be asked at `now` (milliseconds since the epoch): of each operator the one with the highest version of the API that is in `versions`, then
 * with the newest start. None for an empty list. Throws {@link CommandError} `USAGE` where the list has some and none of them can be taken, or fewer than the
 * selection wants; `what` names their kind. */
export function selectServices(
  services: readonly SigningService[],
  { selector, count = 0 }: ServiceSelection,
  versions: readonly number[],
  now: number,
  what: string,
): readonly SigningService[] {
  if (services.length === 0) return [];
  const operators = new Map<string, SigningService>();
  for (const service of [...services].sort(bestFirst))
    if (
      versions.includes(service.majorApiVersion) &&
      isWithin(service.window, now) &&
      !operators.has(service.operator)
    )
      operators.set(service.operator, service);
  const usable = [...operators.values()];
  const wanted = { ANY: 1, ALL: usable.length, EXACT: count, SERVICE_SELECTOR_UNDEFINED: 1 }[selector];
  // More than a bundle may have is asked of nobody.
  if (wanted > MAX_PROOFS)
    throw new CommandError(
      'USAGE',
      `the signing config wants ${wanted} ${what}, and a bundle holds ${MAX_PROOFS}`,
      {
        hint: 'Get another signing config from the operator of the service.',
      },
    );
  if (usable.length > 0 && usable.length >= wanted) return usable.slice(0, wanted);
  throw new CommandError(
    'USAGE',
    `the signing config wants ${Math.max(wanted, 1)} ${what}, and has ${usable.length} that can be used now`,
    { hint: `${behindAll(services, now)}Get the newest signing config from the operator of the service.` },
  );
}

/** A clock that is behind all of them is wrong more often than the file is. */
function behindAll(services: readonly SigningService[], now: number): string {
  const first = Math.min(...services.map(({ window }) => window.start));
  if (first <= now) return '';
  return `They begin at ${rfc3339(first)}, and the clock of this machine says ${rfc3339(now)}: set it where it is wrong. `;
}

const bestFirst = (a: SigningService, b: SigningService): number =>
  b.majorApiVersion - a.majorApiVersion || b.window.start - a.window.start;
