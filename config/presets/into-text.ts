import { isDeepStrictEqual } from 'node:util';
import { ConfigError, pathText, type ConfigProblem } from '../findings/config-error.ts';
import type { ConfigNode, MapNode } from '../yaml/config-node.ts';
import { readDocument } from '../yaml/document.ts';
import { inspectText, type Inspection } from '../load/inspect.ts';
import { indented } from '../yaml/yaml-text.ts';
import { blockOf, type FilledPreset, type PresetBlock } from './preset-yaml.ts';

/** The keys of the file that parts of presets stand below: both of Fulcio's spellings. */
const KEYS = {
  'oidc-issuers': /^oidc-?issuers$/i,
  'ci-issuer-metadata': /^ci-?issuer-?metadata$/i,
} as const;
type Key = keyof typeof KEYS;

/**
 * The text of a configuration with presets put in: each entry below `oidc-issuers`, behind what is there, and its
 * templates below `ci-issuer-metadata`, unless the same stand there already. Every other character stays as it is.
 * `directory` is where relative paths start. Throws {@link ConfigError} when the text cannot be used as it is, has an
 * entry for an issuer or other templates of a name already, or is written in a way that leaves no line between: JSON.
 */
export function presetsInto(
  text: string,
  file: string,
  directory: string,
  presets: readonly FilledPreset[],
): string {
  const before = usable(text, file, directory);
  const root = readDocument(text, file) as MapNode;
  const blocks = presets.map(blockOf);
  const conflicts = blocks.flatMap((block) => conflictsOf(block, root));
  if (conflicts.length > 0) throw new ConfigError('CONFIG_INVALID', file, conflicts);
  const providers = blocks.flatMap(({ provider }) =>
    provider === undefined || memberOf(root, 'ci-issuer-metadata', provider.name) !== undefined
      ? []
      : [provider.yaml],
  );
  const entries = blocks.map(({ entry }) => entry);
  const whole = new Lines(text, root, file)
    .with('oidc-issuers', entries)
    .with('ci-issuer-metadata', providers);
  requireBoth(before, inspected(whole.text, file, directory), blocks, file);
  return whole.text;
}

/** The audience that all entries of a usable text share; undefined when there is none, or it is everybody's. Throws
 * {@link ConfigError}. */
export function audienceIn(text: string, file: string, directory: string): string | undefined {
  const audiences = usable(text, file, directory).issuers.flatMap(({ definition }) => definition.audiences);
  const [only, ...others] = new Set(audiences);
  return others.length === 0 && only !== 'sigstore' ? only : undefined;
}

function usable(text: string, file: string, directory: string): Inspection {
  const inspection = inspectText(text, file, directory);
  if (inspection.problems.length > 0) throw new ConfigError('CONFIG_INVALID', file, inspection.problems);
  return inspection;
}

const conflictsOf = (block: PresetBlock, root: MapNode): ConfigProblem[] => [
  ...sameIssuer(block, root),
  ...otherTemplates(block, root),
];

function sameIssuer({ issuer }: PresetBlock, root: MapNode): ConfigProblem[] {
  const entry = memberOf(root, 'oidc-issuers', issuer);
  if (entry === undefined) return [];
  const path = pathText(['oidc-issuers', issuer]);
  const hint =
    'Nothing was changed. An issuer may have a list of entries, each with its audience: print the preset without --into, and put its entry beside yours (docs/configuration.md, "Several entries for one issuer").';
  return [{ path, ...entry.keyPosition, message: 'is there already', hint }];
}

function otherTemplates({ provider }: PresetBlock, root: MapNode): ConfigProblem[] {
  const templates = provider && memberOf(root, 'ci-issuer-metadata', provider.name);
  if (provider === undefined || templates === undefined) return [];
  const ours = (readDocument(provider.yaml, '') as MapNode).entries.get(provider.name)?.value;
  if (isDeepStrictEqual(plainOf(templates.value), plainOf(ours))) return [];
  const path = pathText(['ci-issuer-metadata', provider.name]);
  const message = "is there already, and differs from the preset's";
  const hint =
    'Nothing was changed. Give yours another name, here and in the entries that use it, or print the preset without --into and put it in by hand.';
  return [{ path, ...templates.keyPosition, message, hint }];
}

const entryOf = (root: MapNode, key: Key): readonly [string, MapNode['entries']] | undefined => {
  const found = [...root.entries].find(([candidate]) => KEYS[key].test(candidate));
  if (found === undefined) return undefined;
  const [name, { value }] = found;
  return [name, value.kind === 'map' ? value.entries : new Map<string, never>()];
};

const memberOf = (root: MapNode, key: Key, name: string) => entryOf(root, key)?.[1].get(name);

/** Values without their places; the order of keys does not count. */
function plainOf(node: ConfigNode | undefined): unknown {
  if (node?.kind === 'map')
    return new Map([...node.entries].map(([key, { value }]) => [key, plainOf(value)] as const));
  return node?.kind === 'list' ? node.items.map(plainOf) : node?.source;
}

/** The text in lines, whose ends stay what they are. */
class Lines {
  readonly #lines: readonly string[];
  /** What new lines have before their line feed. */
  readonly #return: string;
  readonly #root: MapNode;
  readonly #file: string;

  constructor(text: string, root: MapNode, file: string) {
    this.#return = /\r\n/.test(text) ? '\r' : '';
    this.#lines = text.split('\n');
    this.#root = root;
    this.#file = file;
  }

  get text(): string {
    return this.#lines.join('\n');
  }

  /** With blocks below a key, behind what stands there; the key is put at the end where there is none. */
  with(key: Key, blocks: readonly string[]): Lines {
    if (blocks.length === 0) return this;
    const [name] = entryOf(this.#root, key) ?? [];
    if (name === undefined) return this.#atEnd([`${key}:`, ...blocks.flatMap((block) => shifted(2, block))]);
    const at = this.#lineOf(key, name);
    return this.#insert(
      this.#lastBelow(at) + 1,
      (indent) => blocks.flatMap((block) => shifted(indent, block)),
      at,
    );
  }

  /** The line, counted from 0, of a key that has its values on lines of their own. */
  #lineOf(key: Key, name: string): number {
    const form = /^(["']?)([\w-]+)\1[ \t]*:[ \t]*(?:&[\w-]+[ \t]*)?(?:#.*)?\r?$/;
    const at = this.#lines.findIndex((line) => form.exec(line.replace(/^\uFEFF/, ''))?.[2] === name);
    if (at !== -1) return at;
    throw new ConfigError('CONFIG_INVALID', this.#file, [
      {
        ...{ path: key, ...this.#root.entries.get(name)?.keyPosition },
        message: 'does not have its entries on lines of their own, so nothing can be put between',
        hint: 'Nothing was changed. Print the preset without --into, and put it in by hand.',
      },
    ]);
  }

  /** The last line with a value below the key in line `at`, or that line itself. */
  #lastBelow(at: number): number {
    let last = at;
    for (let i = at + 1; i < this.#lines.length; i++) {
      const line = this.#lines[i] ?? '';
      if (/^[^ \t#\r]/.test(line)) break;
      if (/^[ \t]+[^ \t#\r]/.test(line)) last = i;
    }
    return last;
  }

  #insert(index: number, blocks: (indent: number) => readonly string[], at: number): Lines {
    const first = this.#lines.slice(at + 1, index).find((line) => /^ +[^ #\r]/.test(line));
    const indent = first === undefined ? 2 : first.length - first.trimStart().length;
    return this.#like([
      ...this.#lines.slice(0, index),
      ...this.#ended(blocks(indent)),
      ...this.#lines.slice(index),
    ]);
  }

  #atEnd(added: readonly string[]): Lines {
    const isOpen = this.#lines.at(-1) !== '';
    return this.#like([...(isOpen ? this.#lines : this.#lines.slice(0, -1)), ...this.#ended(added), '']);
  }

  #ended(lines: readonly string[]): readonly string[] {
    return lines.map((line) => `${line}${this.#return}`);
  }

  /** Both keys are looked for by their names, so that the places of the old text do. */
  #like(lines: readonly string[]): Lines {
    return new Lines(lines.join('\n'), this.#root, this.#file);
  }
}

const shifted = (indent: number, block: string): readonly string[] => indented(indent, block).split('\n');

/** What became of the whole; a text with a fault in its structure has nothing but that. */
function inspected(text: string, file: string, directory: string): Pick<Inspection, 'problems' | 'issuers'> {
  try {
    return inspectText(text, file, directory);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { problems: error.problems, issuers: [] };
  }
}

/** The entries that were there, unchanged, and the new ones. */
function requireBoth(
  before: Inspection,
  after: Pick<Inspection, 'problems' | 'issuers'>,
  blocks: readonly PresetBlock[],
  file: string,
): void {
  const added = new Set(blocks.map(({ issuer }) => issuer));
  const old = after.issuers.filter(({ definition }) => !added.has(definition.url));
  const isWhole =
    isDeepStrictEqual(old, before.issuers) && after.issuers.length === old.length + blocks.length;
  if (isWhole && after.problems.length === 0) return;
  const [problem] = after.problems;
  const reason = problem === undefined ? 'other entries would change' : `${problem.path}: ${problem.message}`;
  throw new ConfigError('CONFIG_INVALID', file, [
    {
      path: '',
      message: `could not be used with the preset in it: ${reason}`,
      hint: 'Nothing was changed. Print the preset without --into, and put it in by hand.',
    },
  ]);
}
