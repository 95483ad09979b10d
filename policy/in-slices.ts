import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds of work after which others get their turn. */
const SLICE = 1;

/** Milliseconds that are theirs: a request takes several turns of the event loop, and with a slice before each it would
 * wait for them all. */
const REST = 2;

/** Does `work` for each item, in order, and lets the event loop run in between, so that no request waits for the whole.
 * Rejects with what `work` throws, at the first item that makes it. */
export async function inSlices<Item>(items: Iterable<Item>, work: (item: Item) => void): Promise<void> {
  await stepsInSlices(doing(items, work));
}

function* doing<Item>(items: Iterable<Item>, work: (item: Item) => void): Generator<void, undefined> {
  for (const item of items) {
    work(item);
    yield;
  }
}

/** Takes all steps, and lets the event loop run in between, as {@link inSlices}. Returns what comes out in the
 * end. */
export async function stepsInSlices<Outcome>(steps: Iterator<void, Outcome>): Promise<Outcome> {
  let until = performance.now() + SLICE;
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() < until) continue;
    await delay(REST);
    until = performance.now() + SLICE;
  }
}
