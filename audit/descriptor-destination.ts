/** Lines on standard output. */
import { openOutput } from '../storage/output.ts';
import type { Destination } from './destination.ts';

/** Writes in the background: a reader that does not read delays the lines alone. The descriptor stays open. */
export function descriptorDestination(fd: number): Destination {
  const output = openOutput(fd);
  return {
    name: 'stdout',
    deliver: (lines) => output.write(Buffer.from(`${lines.join('\n')}\n`, 'latin1')),
    close: () => Promise.resolve(),
  };
}
