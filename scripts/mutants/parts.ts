import { ISSUANCE } from './issuance.ts';
import { LIMITS } from './limits.ts';
import { LOGS } from './logs.ts';
import type { MutatedFile } from './mutant.ts';
import { RECOVERY } from './recovery.ts';
import { TRUST } from './trust.ts';
import { VERIFICATION } from './verification.ts';

/** The deciding parts, by the name that `--part` takes. */
export const PARTS: ReadonlyMap<string, readonly MutatedFile[]> = new Map([
  ['verification', VERIFICATION],
  ['issuance', ISSUANCE],
  ['logs', LOGS],
  ['trust', TRUST],
  ['recovery', RECOVERY],
  ['limits', LIMITS],
]);
