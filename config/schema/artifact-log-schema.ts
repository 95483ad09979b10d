import { z } from 'zod';
import { bucketSchema, off } from './issuer-schema.ts';

/** What stands under `mayfly.artifact-log`. */
export const artifactLogSchema = z.strictObject({
  v1: z.boolean().default(true).meta({
    description:
      'Whether the API of Rekor v1 is served where the data directory has its log: for every client of today, with search and signed entry timestamps.',
  }),
  v2: z.boolean().default(true).meta({
    description:
      'Whether the API of Rekor v2 (tiles) is served where the data directory has its log. What it logs is verified with a timestamp beside it.',
  }),
  clients: z
    .array(z.enum(['v1', 'v2']))
    .min(1, 'must name at least one')
    .max(2)
    .optional()
    .meta({
      description:
        'Which of them clients are given to sign with, in the signing config; all are trusted whatever stands here. Without it `v1` where there is its log, else `v2`: see docs/rekor.md.',
    }),
  admission: z.enum(['own-certificates', 'any']).default('own-certificates').meta({
    description:
      'Whose signatures are logged. `own-certificates`: by certificates of this CA that its certificate log holds and that are valid now, and by the keys of `keys`; `any`: everybody’s.',
  }),
  keys: z
    .array(z.string().min(1, 'must not be empty'))
    .max(64, 'must name at most 64 files')
    .default([])
    .meta({
      description:
        'Files of PEM public keys whose signatures are logged, too. A relative path starts at the directory of this file.',
    }),
  duplicates: z.enum(['return', 'refuse']).default('return').meta({
    description:
      'An entry that is there already: `return` it as if it was new, so that a client may try again; `refuse` it with 409, as Rekor does.',
  }),
  'rate-limit': z.union([off, bucketSchema]).default({ 'per-minute': 6000, burst: 1000 }).meta({
    description:
      'Entries for each client, which is an address or a /64 network of IPv6; 429 with `Retry-After` beyond it. An entry whose signature takes longer to check counts as several: by P-384 or Ed25519 five, by P-521 twelve.',
  }),
  'read-rate-limit': z.union([off, bucketSchema]).default({ 'per-minute': 6000, burst: 1000 }).meta({
    description:
      'The same for what each client reads: entries and searches through the API of Rekor v1, and searches over all logs, out of one budget. What takes longer counts as several: each entry that is asked for at once or read for a search over all logs, large answers, and every ten ids that a search of Rekor v1 finds.',
  }),
});

/** The values under `mayfly.artifact-log`, as the file spells them. */
export type ArtifactLogValues = z.output<typeof artifactLogSchema>;
