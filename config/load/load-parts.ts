/** How a configuration goes from the process that loaded it to the one that wanted it: in parts, each so small that
 * reading it holds nobody up. */
import type { ConfigCode, ConfigProblem } from '../findings/config-error.ts';
import type { LoadedConfig } from './load.ts';

/** In the order in which they are sent; each answers one message of the receiver. An error loses its class on the way,
 * so what it holds is sent. */
export type LoadPart =
  | { readonly code: ConfigCode; readonly problems: readonly ConfigProblem[] }
  | { readonly mayfly: LoadedConfig['mayfly'] }
  | { readonly [List in LongList]?: LoadedConfig[List] }
  | 'end';

type LongList = 'issuers' | 'findings' | 'files';

/** Items of a part: read in less than a millisecond. */
const ITEMS = 25;

/** All of it. */
export function* partsOf(config: LoadedConfig): Generator<LoadPart, undefined> {
  yield { mayfly: config.mayfly };
  const { issuers, findings, files } = config;
  for (let at = 0; at < Math.max(issuers.length, findings.length, files.length); at += ITEMS) {
    const some = <Item>(list: readonly Item[]): readonly Item[] => list.slice(at, at + ITEMS);
    yield {
      issuers: some(issuers),
      findings: some(findings),
      files: some(files),
    };
  }
  yield 'end';
}

/** Asks for one part after the other until it has the whole. Throws what an error part holds, by `fail`. */
export async function joinParts(
  next: () => Promise<LoadPart>,
  fail: (code: ConfigCode, problems: readonly ConfigProblem[]) => Error,
): Promise<LoadedConfig> {
  let mayfly: LoadedConfig['mayfly'] | undefined;
  const lists = { issuers: [], findings: [], files: [] } as {
    [List in LongList]: LoadedConfig[List][number][];
  };
  for (;;) {
    const part = await next();
    if (part === 'end') break;
    if ('code' in part) throw fail(part.code, part.problems);
    if ('mayfly' in part) mayfly = part.mayfly;
    else {
      lists.issuers.push(...(part.issuers ?? []));
      lists.findings.push(...(part.findings ?? []));
      lists.files.push(...(part.files ?? []));
    }
  }
  if (mayfly === undefined) throw new TypeError('a configuration without settings of its own');
  return { ...lists, mayfly };
}
