/** The current time in milliseconds since 1970-01-01T00:00:00Z. Handed in everywhere, so that a test owns the time. */
export type Clock = () => number;

/** `ms` as RFC 3339 in UTC with whole seconds, e.g. `2026-11-22T10:00:00Z`. */
export const rfc3339 = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** Milliseconds since the epoch of an RFC 3339 time with an explicit zone; undefined if it is not one. */
export function parseRfc3339(text: string): number | undefined {
  if (!RFC3339.test(text)) return undefined;
  const ms = Date.parse(text.toUpperCase());
  return Number.isNaN(ms) ? undefined : ms;
}
