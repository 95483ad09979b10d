// What a process that serves asks of the engine, which reads it at its very start. Plain JavaScript for old engines.

/** Each certificate leaves some 30 KB of garbage outside the heap. By default the engine marks the whole heap for every 8 MB of
 * that, which takes 10 to 20 ms, four times a second under load. Where the heap has room to grow, it hardly ever does: to three times what is in use, and no more, because a
 * burst of connections leaves garbage behind that would stand beside the next one. By
 * default it also lets the young generation grow until collecting it takes 10 ms; collecting a small one takes 2. See
 * docs/benchmarks.md. */
export const TUNED = ['--max-semi-space-size=8', '--heap-growing-percent=200'];

/** Before the first line runs, too, SIGUSR1 opens no debugger. */
export const SHUT = '--disable-sigusr1';
