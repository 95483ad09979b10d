/** Loaded first (`node --import`): writes the URLs of all modules that the process loads to the file named by
 * LOADED_MODULES, as a JSON list, when the process ends. */
import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const loaded: string[] = [];
registerHooks({
  load(url, context, next) {
    loaded.push(url);
    return next(url, context);
  },
});
process.on('exit', () => {
  writeFileSync(process.env['LOADED_MODULES'] ?? '', JSON.stringify(loaded));
});
