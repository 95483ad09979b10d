/** The thread of `modulus-judge.ts`: a modulus in, what is wrong with it out. */
import { parentPort } from 'node:worker_threads';
import { opennessOf } from './open-modulus.ts';

parentPort?.on('message', (modulus: Uint8Array) => {
  parentPort?.postMessage(opennessOf(modulus));
});
