import { join } from 'node:path';
import { projectRoot } from './project-root.ts';

/** The path of a file in `test/vectors`, also when the tests run from `dist`. */
export const vectorPath = (name: string): string => join(projectRoot, 'test/vectors', name);
