/** Puts blocks of lines into the text of a configuration, below keys at its top. */
import { ConfigError } from '../findings/config-error.ts';
import type { MapMember, MapNode } from '../yaml/config-node.ts';
import { indented } from '../yaml/yaml-text.ts';

/** The keys of the file that blocks are put below: both of Fulcio's spellings. */
const KEYS = {
  'oidc-issuers': /^oidc-?issuers$/i,
  'ci-issuer-metadata': /^ci-?issuer-?metadata$/i,
} as const;
type SectionKey = keyof typeof KEYS;

/** The section below a key at the top of the file, under the name that the file has for it. */
function sectionOf(root: MapNode, key: SectionKey): readonly [name: string, MapNode['members']] | undefined {
  const found = [...root.members].find(([candidate]) => KEYS[key].test(candidate));
  if (found === undefined) return undefined;
  const [name, { value }] = found;
  return [name, value.kind === 'map' ? value.members : new Map<string, never>()];
}

/** What stands under a name in a section of the file; undefined when nothing does. */
export const memberOf = (root: MapNode, key: SectionKey, name: string): MapMember | undefined =>
  sectionOf(root, key)?.[1].get(name);

/** The text of a configuration in lines, whose ends stay what they are. */
export class ConfigLines {
  readonly #lines: readonly string[];
  /** What new lines have before their line feed. */
  readonly #return: string;
  readonly #root: MapNode;
  readonly #file: string;

  /** `root` is what the text holds; `file` is its name in messages. */
  constructor(text: string, root: MapNode, file: string) {
    this.#return = /\r\n/.test(text) ? '\r' : '';
    this.#lines = text.split('\n');
    this.#root = root;
    this.#file = file;
  }

  /** All lines as one text. */
  get text(): string {
    return this.#lines.join('\n');
  }

  /** With blocks below a key, behind what stands there; the key is put at the end where there is none. Throws
   * {@link ConfigError} when the values of the key do not stand on lines of their own. */
  with(key: SectionKey, blocks: readonly string[]): ConfigLines {
    if (blocks.length === 0) return this;
    const [name] = sectionOf(this.#root, key) ?? [];
    if (name === undefined) return this.#atEnd([`${key}:`, ...blocks.flatMap((block) => shifted(2, block))]);
    const at = this.#lineOf(key, name);
    return this.#insert(
      this.#lastBelow(at) + 1,
      (indent) => blocks.flatMap((block) => shifted(indent, block)),
      at,
    );
  }

  /** The line, counted from 0, of a key that has its values on lines of their own. */
  #lineOf(key: SectionKey, name: string): number {
    const form = /^(["']?)([\w-]+)\1[ \t]*:[ \t]*(?:&[\w-]+[ \t]*)?(?:#.*)?\r?$/;
    const at = this.#lines.findIndex((line) => form.exec(line.replace(/^\uFEFF/, ''))?.[2] === name);
    if (at !== -1) return at;
    throw new ConfigError('CONFIG_INVALID', this.#file, [
      {
        path: key,
        ...this.#root.members.get(name)?.keyPosition,
        message: 'does not have its values on lines of their own, so nothing can be put between',
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

  #insert(index: number, blocks: (indent: number) => readonly string[], at: number): ConfigLines {
    const first = this.#lines.slice(at + 1, index).find((line) => /^ +[^ #\r]/.test(line));
    const indent = first === undefined ? 2 : first.length - first.trimStart().length;
    return this.#like([
      ...this.#lines.slice(0, index),
      ...this.#ended(blocks(indent)),
      ...this.#lines.slice(index),
    ]);
  }

  #atEnd(added: readonly string[]): ConfigLines {
    const isOpen = this.#lines.at(-1) !== '';
    return this.#like([...(isOpen ? this.#lines : this.#lines.slice(0, -1)), ...this.#ended(added), '']);
  }

  #ended(lines: readonly string[]): readonly string[] {
    return lines.map((line) => `${line}${this.#return}`);
  }

  /** Both keys are looked for by their names, so that the places of the old text do. */
  #like(lines: readonly string[]): ConfigLines {
    return new ConfigLines(lines.join('\n'), this.#root, this.#file);
  }
}

const shifted = (indent: number, block: string): readonly string[] => indented(indent, block).split('\n');
