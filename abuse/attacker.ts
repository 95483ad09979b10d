/** The attackers' process: reads one order as a JSON line on stdin and attacks until stdin ends. It says on stdout when
 * all of the attack is sent. It has the lowest priority:
 * the service and the honest clients come first. */
import { constants, setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { ATTACKS, type AttackedService } from './attacks.ts';
import { arrival } from './sockets.ts';

/** The attack to run. */
export interface AttackOrder {
  readonly attack: string;
  readonly target: AttackedService;
}

setPriority(constants.priority.PRIORITY_LOW);
const over = new AbortController();
void arrival.then(() => {
  console.log('arrived');
});
const lines = createInterface({ input: process.stdin });
lines.once('line', (line) => {
  const { attack, target } = JSON.parse(line) as AttackOrder;
  const chosen = ATTACKS.find(({ name }) => name === attack);
  if (chosen === undefined) throw new Error(`there is no attack ${attack}`);
  void chosen.run(target, over.signal);
});
lines.once('close', () => {
  over.abort();
  process.exit();
});
