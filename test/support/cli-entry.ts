/** What mayfly.ts starts: bin/mayfly.js without its search for a runtime and a build. */
import { main } from '../../cli/main.ts';

await main(process.argv.slice(2));
