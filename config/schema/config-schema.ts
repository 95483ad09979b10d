import { z } from 'zod';
import { fulcioShape } from './fulcio-schema.ts';
import { mayflySchema } from './mayfly-schema.ts';

/**
 * The one schema of the configuration file: Fulcio's keys at the top, ours under `mayfly`. The reference in the
 * documentation is made from its descriptions.
 */
export const configSchema = z.object({
  ...fulcioShape,
  mayfly: mayflySchema
    .prefault({})
    .meta({ description: 'What Fulcio sets by flags, and what only Mayfly has.' }),
});
