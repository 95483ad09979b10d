import type { z } from 'zod';

/** Steps from the top of the checked value. */
type Steps = readonly PropertyKey[];

/** A value is repaired at most this often: a part that is taken out may turn out to be needed. */
const ROUNDS = 3;

/**
 * What a schema makes of a value once the parts that it complains about are taken out, so that the rest can be judged
 * although the value is refused: the author of a mistyped number and a wrong rule reads of both. Undefined if nothing can
 * be made of it.
 */
export function parseUsableParts<T extends z.ZodType>(schema: T, value: unknown): z.output<T> | undefined {
  const copy = structuredClone(value);
  for (let round = 0; round < ROUNDS; round++) {
    const result = schema.safeParse(copy, { reportInput: true });
    if (result.success) return result.data;
    for (const issue of result.error.issues) repair(copy, issue);
  }
  return undefined;
}

/** A text that is missing gets a stand-in, which no other has; everything else is taken out. */
function repair(root: unknown, issue: z.core.$ZodIssue): void {
  const isMissing = issue.input === undefined;
  const path = isMissing ? issue.path : memberAt(root, issue.path);
  const holder = at(root, path.slice(0, -1));
  const key = path.at(-1);
  if (!isObject(holder) || key === undefined) return;
  if (isMissing) holder[key] = `missing ${JSON.stringify(path)}`;
  else Reflect.deleteProperty(holder, key);
}

/** The member of an object that holds the place: what stands in a list cannot be taken out of it without moving what
 * comes after, which would then be reported at a wrong place. */
function memberAt(root: unknown, path: Steps): Steps {
  const above = path.slice(0, -1);
  return path.length > 0 && Array.isArray(at(root, above)) ? memberAt(root, above) : path;
}

const at = (root: unknown, path: Steps): unknown =>
  path.reduce<unknown>((value, step) => (isObject(value) ? value[step] : undefined), root);

const isObject = (value: unknown): value is Record<PropertyKey, unknown> =>
  typeof value === 'object' && value !== null;
