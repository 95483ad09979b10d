const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Ctrl-C in a terminal reaches the whole process group, and a launcher (npm, `bin/mayfly.js`) forwards its copy: what
 * comes within this time is the same request, not an impatient second one. */
const SAME_REQUEST_MS = 1000;

/** Listens for SIGTERM and SIGINT from now on, so that whoever reads "ready" may already signal. Await the result:
 * it resolves when one came and `close` is done. A second signal a second later ends the process at once, for whoever
 * will not wait. */
export function untilStopped(close: () => Promise<void>): Promise<void> {
  const asked = new Promise<void>((resolve) => {
    let askedAt: number | undefined;
    const stop = (): void => {
      askedAt ??= performance.now();
      if (performance.now() - askedAt > SAME_REQUEST_MS) process.exit(1);
      resolve();
    };
    for (const signal of SIGNALS) process.on(signal, stop);
  });
  return asked.then(close);
}
