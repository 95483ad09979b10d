/** What control costs: issuers and rules that do not apply, a rule that does, and a reload under load. */
import { githubProviderYaml } from './github-provider-yaml.ts';
import { manyEntriesYaml } from './many-entries.ts';
import { createInstance, startMayfly } from './mayfly.ts';
import { compare, type Comparison } from './pairs.ts';
import { measureReload, type ReloadCost } from './reload.ts';
import { measureRuleCost, type RuleCost } from './rule-cost.ts';
import type { Bench } from './throughput.ts';

/** See the parts. */
export interface ControlCost {
  readonly others: number;
  /** One issuer with one rule, against that and `others` issuers with a rule each. */
  readonly many: Comparison;
  /** No rule against one rule. */
  readonly rule: Comparison;
  readonly decision: RuleCost;
  readonly reload: ReloadCost;
}

/** Measures all of it with RS256 tokens. */
export async function measureControl(bench: Bench, issuer: string): Promise<ControlCost> {
  const { options, load, tell } = bench;
  const bodies = bench.bodies.get('RS256') ?? '';
  const plan = { bodies, pairs: options.pairs, seconds: options.seconds / 4, warmup: options.warmup };
  const start = async (
    config: string,
  ): Promise<Awaited<ReturnType<typeof startMayfly>> & { data: string }> => {
    const data = createInstance(issuer, config);
    return { ...(await startMayfly(data, options.serverCore)), data };
  };
  tell(`comparing 1 issuer and rule with ${options.others} more …`);
  const one = await start(manyEntriesYaml(issuer, 0));
  const many = await start(manyEntriesYaml(issuer, options.others));
  const manyCost = await compare(load, [one, many], plan);
  tell('measuring reloads under load …');
  const reload = await measureReload(load, many, {
    ...{ data: many.data, issuer, bodies, entries: options.others, seconds: options.seconds * 2 },
  });
  await many.close();
  tell('comparing no rule with one …');
  const none = await start(githubProviderYaml(issuer));
  const ruleCost = await compare(load, [none, one], plan);
  await Promise.all([none.close(), one.close()]);
  return { others: options.others, many: manyCost, rule: ruleCost, decision: measureRuleCost(), reload };
}
