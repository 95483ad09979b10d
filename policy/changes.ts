import { isDeepStrictEqual } from 'node:util';
import type { ConfiguredIssuer } from './issuer-policy-definition.ts';
import type { RuleDefinition } from './rules/rule-definition.ts';
import { inSlices } from './in-slices.ts';

/** What another configuration does to the issuer blocks; names only, in the order of the files. */
export interface PolicyChanges {
  readonly issuersAdded: readonly string[];
  readonly issuersRemoved: readonly string[];
  /** Each with the names of the settings that differ, and `keys` where its file of keys holds others. */
  readonly issuersChanged: readonly string[];
  /** Rules of issuer blocks that are in both, as `block: rule`. */
  readonly rulesAdded: readonly string[];
  readonly rulesRemoved: readonly string[];
  readonly rulesChanged: readonly string[];
}

type Lists = { [List in keyof PolicyChanges]: string[] };

/** What is different in `after`. Issuer blocks and rules are compared by their names; `files` are the paths whose content is
 * another one now. */
export async function changesBetween(
  before: readonly ConfiguredIssuer[],
  after: readonly ConfiguredIssuer[],
  files: readonly string[],
): Promise<PolicyChanges> {
  const changed = new Set(files);
  const lists: Lists = {
    issuersAdded: [],
    issuersRemoved: [],
    issuersChanged: [],
    rulesAdded: [],
    rulesRemoved: [],
    rulesChanged: [],
  };
  const known = new Map(before.map((issuer) => [issuer.definition.name, issuer]));
  await inSlices(after, (issuer) => {
    const { name } = issuer.definition;
    const old = known.get(name);
    known.delete(name);
    if (old === undefined) lists.issuersAdded.push(name);
    else compareBlocks(old, issuer, changed, lists);
  });
  lists.issuersRemoved.push(...known.keys());
  return lists;
}

function compareBlocks(
  before: ConfiguredIssuer,
  after: ConfiguredIssuer,
  files: ReadonlySet<string>,
  lists: Lists,
): void {
  const { name } = after.definition;
  const settings = [
    ...differing(before.definition, after.definition),
    ...differing({ ...before.policy, rules: [] }, { ...after.policy, rules: [] }),
    ...(hasOtherKeys(before, after, files) ? ['keys'] : []),
  ];
  if (settings.length > 0) lists.issuersChanged.push(`${name} (${settings.join(', ')})`);
  compareRules(name, before.policy.rules, after.policy.rules, lists);
}

/** Whether the same file hands over other keys; another file is another setting. */
function hasOtherKeys(
  before: ConfiguredIssuer,
  after: ConfiguredIssuer,
  files: ReadonlySet<string>,
): boolean {
  const { staticKeys } = after.definition;
  return (
    staticKeys?.kind === 'file' &&
    files.has(staticKeys.path) &&
    isDeepStrictEqual(before.definition.staticKeys, staticKeys)
  );
}

function compareRules(
  block: string,
  before: readonly RuleDefinition[],
  after: readonly RuleDefinition[],
  lists: Lists,
): void {
  const known = new Map(before.map((rule) => [rule.name, rule]));
  for (const rule of after) {
    const old = known.get(rule.name);
    known.delete(rule.name);
    if (old === undefined) lists.rulesAdded.push(`${block}: ${rule.name}`);
    else if (!isDeepStrictEqual(old, rule)) lists.rulesChanged.push(`${block}: ${rule.name}`);
  }
  for (const name of known.keys()) lists.rulesRemoved.push(`${block}: ${name}`);
}

/** The settings whose values differ, by the names that the configuration file has for them. */
function differing<Settings extends object>(before: Settings, after: Settings): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<keyof Settings & string>;
  return [...names].filter((name) => !isDeepStrictEqual(before[name], after[name])).map(settingName);
}

/** Names that are not just the other spelling of the same word. */
const SETTING_NAMES: Readonly<Record<string, string>> = {
  audiences: 'client-id',
  url: 'issuer-url',
  staticKeys: 'jwks',
  lifetimeSeconds: 'lifetime',
  leewaySeconds: 'leeway',
  issuerRateLimit: 'rate-limit.issuer',
  principalRateLimit: 'rate-limit.principal',
  outsideLog: 'ct-log-url',
};

/** A setting's name in the configuration file, from its name in the code. */
export const settingName = (name: string): string =>
  SETTING_NAMES[name] ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
