import { randomBytes } from 'node:crypto';

/** An audience for a deployment: not guessable from another one's, so nobody has a token for it by accident. */
export const newAudience = (): string => `mayfly-${randomBytes(6).toString('hex')}`;
