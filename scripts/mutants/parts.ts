import type { MutatedFile } from './mutant.ts';
import { VERIFICATION } from './verification.ts';

/** The deciding parts, by the name that `--part` takes. */
export const PARTS: ReadonlyMap<string, readonly MutatedFile[]> = new Map([['verification', VERIFICATION]]);
