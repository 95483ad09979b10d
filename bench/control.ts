/** What control costs: issuers and rules that do not apply, a rule that does, and a reload under load. */
import { githubProviderYaml } from './github-provider-yaml.ts';
import { startLoadGenerator } from './load-generator.ts';
import { manyIssuersYaml } from './many-issuers.ts';
import { createInstance, startMayfly, type MayflySystem } from './mayfly.ts';
import { measureReload, type ReloadCost } from './reload.ts';
import { measureRuleCost, type RuleCost } from './rule-cost.ts';
import { compare, type Comparison } from './side-by-side.ts';
import type { Bench } from './throughput.ts';

/** What was measured of each. */
export interface ControlCost {
  readonly others: number;
  /** One issuer with one rule, against the same: what the method itself scatters by. */
  readonly same: Comparison;
  /** One issuer with one rule, against that and `others` issuers with a rule each. */
  readonly many: Comparison;
  /** No rule against one rule. */
  readonly rule: Comparison;
  readonly decision: RuleCost;
  readonly reload: ReloadCost;
}

/** Measures all of it with RS256 tokens. */
export async function measureControl(bench: Bench, issuer: string): Promise<ControlCost> {
  const { options, load, log } = bench;
  const bodies = bench.bodies.get('RS256') ?? '';
  const plan = { bodies, starts: options.starts, seconds: options.seconds * 3, warmup: options.warmup / 2 };
  const instance = (config: string): { data: string; start: () => Promise<MayflySystem> } => {
    const data = createInstance(issuer, config);
    return { data, start: () => startMayfly(data, options.serverCore) };
  };
  const none = instance(githubProviderYaml(issuer));
  const one = instance(manyIssuersYaml(issuer, 0));
  const twin = instance(manyIssuersYaml(issuer, 0));
  const many = instance(manyIssuersYaml(issuer, options.others));
  const second = await startLoadGenerator(options.loadCore);
  const compared = (a: typeof one, b: typeof one): Promise<Comparison> =>
    compare([load, second], [a.start, b.start], plan);
  log('comparing 1 issuer and rule with the same …');
  const same = await compared(one, twin);
  log(`comparing 1 issuer and rule with ${options.others} more …`);
  const manyCost = await compared(one, many);
  log('comparing no rule with one …');
  const rule = await compared(none, one);
  await second.close();
  log('measuring reloads under load …');
  const system = await many.start();
  const reload = await measureReload(load, system, {
    data: many.data,
    issuer,
    bodies,
    issuers: options.others,
    stretches: options.starts * 2,
    seconds: options.seconds,
    warmup: options.warmup,
  });
  await system.close();
  return { others: options.others, same, many: manyCost, rule, decision: measureRuleCost(), reload };
}
