/**
 * How much of a long property test is done.
 *
 * `PROPERTY_RUNS=full`, as `.ci/run` sets it, does all of it. Otherwise it is a tenth, so that `npm test` stays short: a change
 * that breaks a property mostly shows at once, and what is rare is found by all the runs before a change lands.
 */
export const isFull = process.env['PROPERTY_RUNS'] === 'full';

/** How often a property is tried that is tried `full` times before a change lands. */
export const runs = (full: number): number => (isFull ? full : Math.ceil(full / 10));
