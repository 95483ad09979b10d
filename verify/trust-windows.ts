/** For which times the trust counts on what. */
import type { Certificate } from '../core/certificate.ts';
import { rfc3339 } from '../core/clock.ts';
import { describeName } from '../core/distinguished-name.ts';
import { describeWindow, isWithin, type Window } from '../trust/format/trusted-root.ts';
import { keyName } from './read-once.ts';
import { refused } from './verify-error.ts';

/** At all times. */
export const ALWAYS: Window = { start: Number.NEGATIVE_INFINITY };

/**
 * The windows of CAs, by their keys. A CA counts at a time when one of the chains that name its key does. The root of a chain that goes on
 * does not carry an intermediate of it whose own chains have all ended: with a stolen key one could still show its certificate.
 * A CA that no chain names has no window: it counts as long as the ones above it do. What a CA issued itself counts in the windows of the chains
 * that begin with it, where there are any: that it stands above others, in chains that go on, says nothing of what it issues.
 */
export class AuthorityWindows {
  readonly #windows = new Map<string, Window[]>();
  readonly #unusable = new Map<string, Window[]>();
  readonly #issuing = { usable: new Map<string, Window[]>(), unusable: new Map<string, Window[]>() };

  /** Lets the CAs of a chain count in that window too; always where there is none. */
  add(chain: readonly Certificate[], window: Window = ALWAYS): void {
    addTo(this.#windows, chain, window);
    addTo(this.#issuing.usable, chain.slice(0, 1), window);
  }

  /** Holds the CAs of a chain that cannot be used to its window, unless a chain that can be used names them: what has ended must not count
   * without any limit because its entry is damaged, and another one leads to its root. */
  addUnusable(chain: readonly Certificate[], window: Window): void {
    addTo(this.#unusable, chain, window);
    addTo(this.#issuing.unusable, chain.slice(0, 1), window);
  }

  /** Throws a refusal that names the window, unless the CA, or whose certificate it is, counts at each of the times. */
  require(authority: Certificate, times: readonly number[], who?: string): void {
    const key = keyName(authority);
    const windows = this.#windows.get(key) ?? this.#unusable.get(key);
    if (windows === undefined || isEachWithin(windows, times)) return;
    requireWithin(windows, times, who ?? `the CA "${describeName(authority.subject)}"`);
  }

  /** Throws a refusal that names the window, unless what the CA issued itself counts at each of the times; that the CA counts is another question. */
  requireIssuing(authority: Certificate, times: readonly number[]): void {
    const key = keyName(authority);
    const windows = this.#issuing.usable.get(key) ?? this.#issuing.unusable.get(key);
    if (windows === undefined || isEachWithin(windows, times)) return;
    requireWithin(windows, times, `the CA "${describeName(authority.subject)}", for what it issues itself,`);
  }
}

function addTo(windows: Map<string, Window[]>, chain: readonly Certificate[], window: Window): void {
  for (const authority of chain) {
    const key = keyName(authority);
    const known = windows.get(key);
    if (known === undefined) windows.set(key, [window]);
    else known.push(window);
  }
}

const isEachWithin = (windows: readonly Window[], times: readonly number[]): boolean =>
  times.every((time) => windows.some((window) => isWithin(window, time)));

/** Throws a refusal that names the windows, unless each time lies in one of them. */
export function requireWithin(windows: readonly Window[], times: readonly number[], who: string): void {
  const outside = times.find((time) => !windows.some((window) => isWithin(window, time)));
  if (outside === undefined) return;
  const counts = windows.map(describeWindow).join(' and ');
  throw refused(`${who} is trusted ${counts}, not at ${rfc3339(outside)}`, 'trust');
}
