import { relative } from 'node:path';
import { inspectText } from './inspect.ts';

/** Two places that no file is in, deep enough for paths that climb. */
const HERE = '/a/a/a/a/a/a/a/a';
const THERE = '/b/b/b/b/b/b/b/b';

/** The paths in a configuration that start at its own directory, each once: what they name is another file where it lies elsewhere. Throws ConfigError if the text
 * has no structure at all. */
export function relativeFilesIn(text: string, file: string): readonly string[] {
  const [here, there] = [HERE, THERE].map((directory) => {
    const { issuers, mayfly } = inspectText(text, file, directory);
    return { issuers, mayfly };
  });
  return [...new Set(differingTexts(here, there))].map((path) => relative(HERE, path)).sort();
}

/** The texts in `one` in whose place `other` has another. Both are made in the same way. */
function* differingTexts(one: unknown, other: unknown, seen = new Set<unknown>()): Generator<string> {
  if (typeof one === 'string') {
    if (one !== other) yield one;
    return;
  }
  if (typeof one !== 'object' || one === null || typeof other !== 'object' || other === null) return;
  if (seen.has(one)) return;
  seen.add(one);
  const others = membersOf(other);
  for (const [index, member] of membersOf(one).entries()) yield* differingTexts(member, others[index], seen);
}

const membersOf = (value: object): readonly unknown[] =>
  value instanceof Map || value instanceof Set ? [...value].flat() : Object.values(value);
