/** Stock TUF clients of npm, through everything that a repository goes through, and against everything that stands between. */
import { describeClients } from './support/attacks.ts';
import { stockClients } from './support/repository.ts';

describeClients('trust/tuf: stock clients', stockClients);
