import { expect } from 'chai';
import { encodeBundle } from '../../../bundle/format/bundle-json.ts';
import type { Bundle } from '../../../bundle/format/bundle.ts';
import { printable } from '../../../core/printable.ts';
import type { JsonValue } from '../../../core/strict-json.ts';
import { StepRecorder } from '../../../verify/step.ts';
import { refused } from '../../../verify/verify-error.ts';
import { attestationBundle, messageBundle, statementOf, verified } from './support/bundle-world.ts';

const codes = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** All control characters, and others that a terminal obeys or that end a line. */
const HOSTILE = String.fromCodePoint(
  ...[...codes(0, 0x1f), ...codes(0x7f, 0x9f), 0x2028, 0x2029, 0x202e, 0x2066, 0x200b, 0xfeff],
);

type Members = Readonly<Record<string, JsonValue>>;

/** The value, with that text in the place of each of its texts, behind it, in each of its names, and as one more name. */
function* bent(value: JsonValue): Generator<JsonValue> {
  if (typeof value === 'string') yield* [HOSTILE, value + HOSTILE];
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const [at, one] of (value as readonly JsonValue[]).entries())
      for (const other of bent(one)) yield value.with(at, other) as JsonValue[];
    return;
  }
  const members = value as Members;
  for (const [name, one] of Object.entries(members)) {
    for (const other of bent(one)) yield { ...members, [name]: other };
    const { [name]: renamed = null, ...rest } = members;
    yield { ...rest, [name + HOSTILE]: renamed };
  }
  yield { ...members, [HOSTILE]: 1 };
}

const jsonOf = (text: string): JsonValue => JSON.parse(text) as JsonValue;
const bytesOf = (value: JsonValue): Buffer => Buffer.from(JSON.stringify(value));

/** The bundle with one of its log entries alone, whose body is bent. */
function* withBodies(bundle: Bundle): Generator<Bundle> {
  for (const entry of bundle.entries)
    for (const body of bent(jsonOf(Buffer.from(entry.body).toString())))
      yield { ...bundle, entries: [{ ...entry, body: bytesOf(body) }], timestamps: [] };
}

/** The details that are not one harmless line, and how many bundles were looked at. */
async function badDetails(bundles: Iterable<Bundle | string>): Promise<{ bad: string[]; count: number }> {
  const bad: string[] = [];
  let count = 0;
  for (const bundle of bundles) {
    const { steps } = await verified(bundle);
    bad.push(...steps.map(({ detail }) => detail).filter((detail) => printable(detail) !== detail));
    count++;
  }
  return { bad, count };
}

function* each<From, To>(values: Iterable<From>, map: (value: From) => To): Generator<To> {
  for (const value of values) yield map(value);
}

describe('verify/bundle: the details of steps', () => {
  it('are one harmless line, whatever text of a bundle holds what a terminal obeys', async () => {
    const texts = each(bent(jsonOf(encodeBundle(messageBundle()))), (value) => JSON.stringify(value));
    const { bad, count } = await badDetails(texts);
    expect(bad).to.deep.equal([]);
    expect(count).to.be.above(100);
  });

  it('are one harmless line, whatever text of a log entry does', async () => {
    for (const bundle of [messageBundle(), attestationBundle()])
      expect((await badDetails(withBodies(bundle))).bad).to.deep.equal([]);
  });

  it('are one harmless line, whatever text of a statement does', async () => {
    const bundles = each(bent(statementOf() as Members), (value) => attestationBundle(bytesOf(value)));
    expect((await badDetails(bundles)).bad).to.deep.equal([]);
  });

  it('are one harmless line, whatever a check says', async () => {
    const record = new StepRecorder();
    for (const char of HOSTILE) {
      await record.run('chain', () => [`found ${char}`, undefined]);
      await record.run('chain', () => {
        throw refused(`refused ${char}`);
      });
    }
    for (const { detail } of record.steps) expect(detail).to.match(/^(?:found|refused) \\u\{[0-9a-f]+\}$/);
  });
});
