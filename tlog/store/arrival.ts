/** How a store that a log has left says where to. */
import type { Arrival } from './commit-store.ts';

/** The name, a space, the move. */
export const textOfArrival = ({ store, move }: Arrival): string => `${store} ${move}`;

/** What {@link textOfArrival} made. */
export function arrivalOf(text: string): Arrival {
  const at = text.lastIndexOf(' ');
  return { store: text.slice(0, Math.max(0, at)), move: text.slice(at + 1) };
}
