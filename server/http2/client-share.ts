import { FrameBudget } from './frame-budget.ts';
import { LIMITS, requestCost } from './frame-meter.ts';

/** Calls of one client under way on the connection of a proxy, as many as on a connection of its own. */
const MAX_CALLS = 32;

/**
 * What one client has of a connection that a proxy puts the calls of several on. What is limited by the connection elsewhere is limited by
 * this one here, so that no client ends or delays the calls of another.
 */
export class ClientShare {
  readonly #budget = new FrameBudget(LIMITS.unproven, () => performance.now());
  #calls = 0;

  /** Whether it may begin one more call, with so many headers; {@link end} has to follow then. */
  begin(headers: number): boolean {
    if (this.#calls >= MAX_CALLS || !this.#budget.spend(requestCost(headers))) return false;
    this.#calls++;
    return true;
  }

  /** A call of it ended. */
  end(isAnswered: boolean): void {
    this.#calls--;
    if (isAnswered) this.#budget.answered();
  }

  /** A certificate was issued to it. */
  prove(): void {
    this.#budget.enlarge(LIMITS.proven);
  }
}
