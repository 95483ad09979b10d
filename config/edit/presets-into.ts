import { isDeepStrictEqual } from 'node:util';
import { ConfigError, pathText, type ConfigProblem } from '../findings/config-error.ts';
import type { ConfigNode, MapNode } from '../yaml/config-node.ts';
import { readDocument } from '../yaml/document.ts';
import { inspectText, type Inspection } from '../load/inspect.ts';
import { ConfigLines, memberOf } from './config-lines.ts';
import { blockOf, type FilledPreset, type PresetBlock } from '../presets/preset-yaml.ts';

/**
 * The text of a configuration with presets put in: each issuer block below `oidc-issuers`, behind what is there, and its
 * templates below `ci-issuer-metadata`, unless the same stand there already. Every other character stays as it is.
 * `directory` is where relative paths start. Throws {@link ConfigError} when the text cannot be used as it is, has a
 * block for an issuer or other templates of a name already, or is written in a way that leaves no line between: JSON.
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
  const issuerBlocks = blocks.map(({ issuerBlock }) => issuerBlock);
  const whole = new ConfigLines(text, root, file)
    .with('oidc-issuers', issuerBlocks)
    .with('ci-issuer-metadata', providers);
  requireBoth(before, inspected(whole.text, file, directory), blocks, file);
  return whole.text;
}

/** The audience that all issuer blocks of a usable text share; undefined when there is none, or it is everybody's. Throws
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
  const member = memberOf(root, 'oidc-issuers', issuer);
  if (member === undefined) return [];
  const path = pathText(['oidc-issuers', issuer]);
  const hint =
    'Nothing was changed. An issuer may have a list of blocks, each with its audience: print the preset without --into, and put its block beside yours (docs/configuration.md, "Several issuer blocks for one issuer").';
  return [{ path, ...member.keyPosition, message: 'is there already', hint }];
}

function otherTemplates({ provider }: PresetBlock, root: MapNode): ConfigProblem[] {
  const templates = provider && memberOf(root, 'ci-issuer-metadata', provider.name);
  if (provider === undefined || templates === undefined) return [];
  const ours = (readDocument(provider.yaml, '') as MapNode).members.get(provider.name)?.value;
  if (isDeepStrictEqual(plainOf(templates.value), plainOf(ours))) return [];
  const path = pathText(['ci-issuer-metadata', provider.name]);
  const message = "is there already, and differs from the preset's";
  const hint =
    'Nothing was changed. Give yours another name, here and in the issuer blocks that use it, or print the preset without --into and put it in by hand.';
  return [{ path, ...templates.keyPosition, message, hint }];
}

/** Values without their places; the order of keys does not count. */
function plainOf(node: ConfigNode | undefined): unknown {
  if (node?.kind === 'map')
    return new Map([...node.members].map(([key, { value }]) => [key, plainOf(value)] as const));
  return node?.kind === 'list' ? node.items.map(plainOf) : node?.source;
}

/** What became of the whole; a text with a fault in its structure has nothing but that. */
function inspected(text: string, file: string, directory: string): Pick<Inspection, 'problems' | 'issuers'> {
  try {
    return inspectText(text, file, directory);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { problems: error.problems, issuers: [] };
  }
}

/** Throws where the result cannot be used, or holds anything but the blocks that were there, unchanged, and the new ones. */
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
  const reason =
    problem === undefined ? 'other issuer blocks would change' : `${problem.path}: ${problem.message}`;
  throw new ConfigError('CONFIG_INVALID', file, [
    {
      path: '',
      message: `could not be used with the preset in it: ${reason}`,
      hint: 'Nothing was changed. Print the preset without --into, and put it in by hand.',
    },
  ]);
}
