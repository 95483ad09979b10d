const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Listens for SIGTERM and SIGINT from now on, so that whoever reads "ready" may already signal. Await the result:
 * it resolves when one came and `close` is done. A second signal ends the process at once, for whoever will not
 * wait. */
export function untilStopped(close: () => Promise<void>): Promise<void> {
  const asked = new Promise<void>((resolve) => {
    const stop = (): void => {
      for (const signal of SIGNALS) process.off(signal, stop).once(signal, () => process.exit(1));
      resolve();
    };
    for (const signal of SIGNALS) process.on(signal, stop);
  });
  return asked.then(close);
}
