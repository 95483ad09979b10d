/**
 * Attacks as rows of tables: what is sent, and the reason for which it is refused. Each row goes over HTTP through the
 * whole service and must cost about as little as an honest request: no certificate, no leaf, a short answer, a short
 * line in the log, and not a word of the token in either.
 */
import { expect } from 'chai';
import type { Reason } from '../../../server/reasons/problem.ts';
import { bodyV2, clientKey, post, refusalOf } from '../../support/test-service.ts';
import type { World } from './world.ts';

/** A token, and what becomes of it. */
export interface Attack {
  /** What it is, for the title. */
  readonly what: string;
  readonly token: string | ((world: World) => string | Promise<string>);
  /** `issued` for a token that only looks hostile: it names whom an honest one names. */
  readonly outcome: Reason | 'issued';
}

/** One row in short. */
export const attack = (what: string, token: Attack['token'], outcome: Attack['outcome']): Attack => ({
  what,
  token,
  outcome,
});

/** A value of JSON, or of none, for a title. */
export const shown = (value: unknown): string =>
  value === undefined ? 'missing' : JSON.stringify(value).slice(0, 80);

const KEY = clientKey();
const STATUS: Partial<Record<Reason, number>> = {
  ISSUER_UNREACHABLE: 503,
  RULE_DENIED: 403,
  RULE_FAILED: 403,
  NO_RULE_ALLOWS: 403,
};
/** Characters. */
const LONGEST_ANSWER = 2048;

/** Sends the token in a request that is otherwise good. */
export const sendToken = ({ service }: World, token: string): Promise<Response> =>
  post(`${service.url}/api/v2/signingCert`, bodyV2(token, KEY));

/** `issued`, or the reason of the refusal. */
export async function outcomeOf(world: World, token: string): Promise<string> {
  const response = await sendToken(world, token);
  if (response.status !== 200) return (await refusalOf(response)).details[0].reason;
  await response.arrayBuffer();
  return 'issued';
}

/** Runs the rows against the world, and an honest token after them. */
export function itRefuses(world: () => World, attacks: readonly Attack[]): void {
  for (const row of attacks) {
    it(`${row.what}: ${row.outcome}`, () => tryAttack(world(), row));
  }
  it('and takes an honest token as before', async () => {
    expect(await outcomeOf(world(), await world().honest())).to.equal('issued');
  });
}

async function tryAttack(world: World, { token: make, outcome }: Attack): Promise<void> {
  const token = typeof make === 'string' ? make : await make(world);
  const { service } = world;
  const [before, line] = [service.log.status().size, service.lines.length];
  const response = await sendToken(world, token);
  const text = await response.text();
  if (outcome === 'issued') {
    expect(response.status, text).to.equal(200);
    return;
  }
  expect(response.status, text).to.equal(STATUS[outcome] ?? 400);
  const refusal = JSON.parse(text) as { details: [{ reason: string }] };
  expect(refusal.details[0].reason, text).to.equal(outcome);
  expect(service.log.status().size).to.equal(before);
  const said = `${text}${JSON.stringify(service.lines.slice(line))}`;
  expect(said.length).to.be.lessThan(2 * LONGEST_ANSWER);
  for (const part of token.split('.')) if (part.length > 20) expect(said).not.to.contain(part.slice(0, 200));
  await expectCheap(world, token);
}

const TRIES = 10;
/** How much dearer than an honest request, which is signed and logged, a refusal may be. */
const FACTOR = 20;

/** The best of some tries counts, in time of the processor: other programs on the machine must not matter. */
async function expectCheap(world: World, token: string): Promise<void> {
  const bound = FACTOR * (await world.honestCost());
  const costs: number[] = [];
  while (costs.length < TRIES) {
    costs.push(await costOf(() => outcomeOf(world, token)));
    if (Math.min(...costs) < bound) return;
  }
  expect.fail(`refusing takes ${Math.min(...costs)} µs of the processor, more than ${bound} µs`);
}

/** Microseconds of the processor that this process spends until `work` is done. */
export async function costOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
