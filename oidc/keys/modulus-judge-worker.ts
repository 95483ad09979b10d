/** The thread of `modulus-judge.ts`: a modulus in, what is wrong with it out. */
import { answerRequests } from '../../storage/worker-channel.ts';
import { opennessOf } from './open-modulus.ts';

answerRequests(opennessOf);
