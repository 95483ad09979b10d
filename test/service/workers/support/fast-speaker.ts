/** A thread that says numbers as fast as it can, some in each turn, and notes how many it has said. */
import { parentPort, workerData } from 'node:worker_threads';
import { TurnChannel } from '../../../../service/workers/turn-channel.ts';

/** What it is started with. */
export interface FastSpeaker {
  readonly progress: SharedArrayBuffer;
  /** The number that it has said. */
  readonly said: SharedArrayBuffer;
  readonly count: number;
  readonly inTurn: number;
}

if (parentPort !== null) {
  const { progress, said, count, inTurn } = workerData as FastSpeaker;
  const channel = new TurnChannel<number, never, never, never>(
    parentPort,
    { reported: () => undefined, asked: () => undefined },
    { there: progress },
  );
  const noted = new Int32Array(said);
  let next = 0;
  const speak = (): void => {
    for (let i = 0; i < inTurn && next < count; i++) channel.report(next++);
    channel.flush();
    Atomics.store(noted, 0, next);
    if (next < count) setImmediate(speak);
  };
  speak();
}
