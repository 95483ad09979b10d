/** Resolves when the process is asked to stop (SIGTERM, SIGINT) and `close` is done. A second signal ends the process
 * at once, for whoever will not wait. */
export async function untilStopped(close: () => Promise<void>): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        resolve();
        for (const again of ['SIGTERM', 'SIGINT'] as const) {
          process.removeAllListeners(again);
          process.once(again, () => process.exit(1));
        }
      });
    }
  });
  await close();
}
