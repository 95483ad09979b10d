/** Counts who is using something that will be closed one day. */
export interface Users {
  /** The same answer; whoever waits for it counts as a user until it is there. */
  during<Answer>(work: Promise<Answer>): Promise<Answer>;
  /** Resolves when nobody is left. To be asked once, when nobody new will come. */
  none(): Promise<void>;
}

/** A new count, at nobody. */
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
