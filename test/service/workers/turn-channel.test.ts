import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { LONGEST_BACKLOG, sharedProgress, TurnChannel } from '../../../service/workers/turn-channel.ts';
import { moduleBeside } from '../../../storage/module-beside.ts';
import type { FastSpeaker } from './support/fast-speaker.ts';

describe('service/workers/turn-channel', () => {
  it('stops a thread that says more than the other one hears, and loses nothing of it', async () => {
    const [count, inTurn] = [5 * LONGEST_BACKLOG, 500];
    const progress = sharedProgress();
    const said = new SharedArrayBuffer(4);
    const noted = new Int32Array(said);
    const workerData: FastSpeaker = { progress, said, count, inTurn };
    const { url, execArgv } = moduleBeside(import.meta.url, 'support/fast-speaker');
    const thread = new Worker(url, { workerData, execArgv: [...execArgv] });
    try {
      // Hears nothing from here on: this thread does not leave this turn.
      const deadline = performance.now() + 20_000;
      const pause = new Int32Array(new SharedArrayBuffer(4));
      while (Atomics.load(noted, 0) < LONGEST_BACKLOG && performance.now() < deadline)
        Atomics.wait(pause, 0, 0, 10);
      Atomics.wait(pause, 0, 0, 300);
      expect(Atomics.load(noted, 0)).to.be.within(LONGEST_BACKLOG, LONGEST_BACKLOG + inTurn);
      const heard: number[] = [];
      await new Promise<void>((resolve) => {
        const listener = {
          reported: (number: number) => {
            heard.push(number);
            if (heard.length === count) resolve();
          },
          asked: () => undefined,
        };
        new TurnChannel<never, never, number, never>(thread, listener, { here: progress });
      });
      expect(heard).to.deep.equal(Array.from({ length: count }, (_, i) => i));
    } finally {
      await thread.terminate();
    }
  });
});
