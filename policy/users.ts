/** Counts the users of something that will be closed one day. */
interface Users {
  /** Resolves as `work` does, and counts as a user until then. */
  during<Answer>(work: Promise<Answer>): Promise<Answer>;
  /** Resolves when no user is left. To be asked once, when no new one will come. */
  none(): Promise<void>;
}

/** A new count, of no users. */
export function countUsers(): Users {
  let count = 0;
  let empty: () => void = () => undefined;
  const leave = (): void => {
    if (--count === 0) empty();
  };
  return {
    async during(work) {
      count++;
      try {
        return await work;
      } finally {
        leave();
      }
    },
    none: () =>
      new Promise((resolve) => {
        empty = resolve;
        if (count === 0) resolve();
      }),
  };
}
