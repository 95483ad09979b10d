/** The error that a piece of work ends with. */

/** Work that is under way, or that is to be begun. */
type Work = Promise<unknown> | undefined | (() => unknown);

/** What `work` fails with. Rejects when it does not fail. */
export async function failureOf(work: Work): Promise<unknown> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

/** The same, which must be of that class. Rejects with any other error as it is. */
export async function failureAs<E extends Error>(
  type: abstract new (...args: never[]) => E,
  work: Work,
): Promise<E> {
  const error = await failureOf(work);
  if (error instanceof type) return error;
  throw error;
}

/** What became of settled work. Throws what it failed with. */
export function settledValue<T>(work: PromiseSettledResult<T>): T {
  if (work.status === 'rejected') throw work.reason;
  return work.value;
}
