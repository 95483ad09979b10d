/** Unit and its length in milliseconds, largest first. */
const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
] as const;

/** A length of time for people, in its largest unit of which it holds at least two: `95 s`, `4 min`, `30 h`. */
export function ago(milliseconds: number): string {
  for (const [name, length] of UNITS) {
    if (milliseconds >= 2 * length) return `${Math.floor(milliseconds / length)} ${name}`;
  }
  return `${Math.ceil(milliseconds / 1000)} s`;
}
