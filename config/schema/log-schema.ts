import { z } from 'zod';
import { parseRfc3339 } from '../../core/clock.ts';
import { PostgresFault, parsePostgresUrl } from '../../storage/postgres.ts';
import { isBucketUrl, isPublicUrl } from './addresses.ts';
import { bucketSchema as rateBucket, off } from './issuer-schema.ts';
import { quantity } from './quantity.ts';

function isDatabaseUrl(text: string): boolean {
  try {
    parsePostgresUrl(text);
    return true;
  } catch (error) {
    if (error instanceof PostgresFault) return false;
    throw error;
  }
}

const isTilesUrl = (text: string): boolean => text === 'postgres' || isBucketUrl(text);

const place = {
  endpoint: z
    .string()
    .refine(isPublicUrl, 'must be an http(s) URL without credentials, query and fragment')
    .optional()
    .meta({ description: 'URL of the server of the bucket; without it, AWS.' }),
  region: z.string().min(1, 'must not be empty').optional().meta({
    description: 'Region of the bucket; without it, what the environment of the service says.',
  }),
  addressing: z.enum(['host', 'path']).default('host').meta({
    description:
      'Where requests name the bucket: in the host, as AWS wants it, or in the path, as many other stores do.',
  }),
};

const bucketSchema = z.strictObject({
  ...place,
  writes: z.enum(['conditional', 'plain']).default('conditional').meta({
    description:
      '`conditional`: the store decides that nothing is overwritten (`If-None-Match`), which is tried at each start. `plain`: for stores that do not, and one process that writes.',
  }),
});

const OBJECT_IDENTIFIER = /^[0-2](?:\.(?:0|[1-9]\d{0,9})){2,14}$/;

const submissionSchema = z.strictObject({
  roots: z.string().min(1, 'must not be empty').meta({
    description:
      'File of PEM certificates: the roots of the CAs that may hand in certificates, at most 64. A relative path starts at the directory of this file.',
  }),
  'extended-key-usages': z
    .union([
      z.literal('any'),
      z
        .array(
          z.union([
            z.literal('code-signing'),
            z.string().regex(OBJECT_IDENTIFIER, 'must be code-signing or an object identifier'),
          ]),
        )
        .min(1, 'must name at least one')
        .max(16, 'must name at most 16'),
    ])
    .default(['code-signing'])
    .meta({
      description:
        'Uses of certificates that are taken: `code-signing` or object identifiers, one of which a certificate and each limited CA above it must have; `any`: all.',
    }),
  'rate-limit': z.union([off, rateBucket]).default({ 'per-minute': 6000, burst: 1000 }).meta({
    description:
      'Submissions for each client, which is an address or a /64 network of IPv6; 429 with `Retry-After` beyond it.',
  }),
  'max-in-flight': z.number().int().min(1).max(1000).default(64).meta({
    description: 'Submissions that wait for the log at once. One more is answered 503 with `Retry-After`.',
  }),
});

const anchorSchema = z.strictObject({
  at: z
    .string()
    .refine(
      (text) => isBucketUrl(text) || isDatabaseUrl(text) || isPublicUrl(text) || /^\/./.test(text),
      'must be an absolute path, s3://BUCKET/PREFIX, postgres://USER@HOST/DATABASE without a password, or the URL of a mirror',
    )
    .meta({
      description:
        'A directory on another disk, by its absolute path; `s3://BUCKET/PREFIX`; a database, `postgres://USER@HOST[:PORT]/DATABASE` with the parameters of `store`, whose tables `mayfly log migrate` makes; or the http(s) URL below which a mirror serves the logs by their names, which is only read.',
    }),
  mode: z.enum(['asynchronous', 'synchronous']).default('asynchronous').meta({
    description:
      '`synchronous`: nothing is released before the anchor has its head, so that of two copies of the log only one goes on. `asynchronous`: the anchor follows within a second or two, and a copy is noticed when it is looked at next.',
  }),
  'password-file': z.string().min(1, 'must not be empty').optional().meta({
    description:
      'File whose first line is the password for the database of `at`. A relative path starts at the directory of this file. Without it, PGPASSWORD or the file that PGPASSFILE names.',
  }),
  bucket: z.strictObject(place).prefault({}).meta({ description: 'How the bucket of `at` is reached.' }),
});

const witnessSchema = z.strictObject({
  policy: z.string().min(1, 'must not be empty').meta({
    description:
      'File with the policy (c2sp.org/tlog-policy): the witnesses with their keys and URLs, and which of them are enough. A relative path starts at the directory of this file.',
  }),
  required: z.boolean().default(false).meta({
    description:
      'Whether nothing leaves before the quorum has cosigned a head that covers it. Off, heads are cosigned a moment later, and a certificate waits for nobody.',
  }),
  timeout: quantity('seconds', 1, 60).default(2).meta({
    description: 'How long one answer of a witness may take.',
  }),
});

const shardsSchema = z.strictObject({
  every: z.enum(['year', 'half-year', 'quarter', 'month']).optional().meta({
    description: 'A new log takes over where each of these begins, at 00:00 UTC.',
  }),
  at: z
    .array(z.string().refine((text) => parseRfc3339(text) !== undefined, 'must be an RFC 3339 time'))
    .min(1, 'must name at least one time')
    .max(64, 'must name at most 64 times')
    .optional()
    .meta({ description: 'The same at these times, such as `2027-07-01T00:00:00Z`.' }),
  entries: z.number().int().min(256).max(1_000_000_000).optional().meta({
    description:
      'The same when the log in use has that many entries; those that are on their way then go there, too.',
  }),
  lead: quantity('hours', 0, 8784).default(336).meta({
    description:
      'How long the next log is there, and trusted, before certificates go to it: verifiers get its key in this time. It never takes over earlier, also where it was made late.',
  }),
  stage: z.enum(['service', 'operator']).default('service').meta({
    description:
      '`service`: the service makes the next log with new keys, protected as those in use are, in time by itself. `operator`: it makes no keys; it asks for `mayfly log rotate --stage` in time, and takes that log into use.',
  }),
});

/** What stands under `mayfly.log`. */
export const logSchema = z.strictObject({
  store: z
    .string()
    .refine(isDatabaseUrl, 'must be postgres://USER@HOST/DATABASE, without a password')
    .optional()
    .meta({
      description:
        'The database that holds the history of all logs, which several services may then write: `postgres://USER@HOST[:PORT]/DATABASE[?schema=NAME&sslmode=verify-full|disable&sslrootcert=FILE]`. Without it, each log is in files of the data directory, for one service. It is held to where they are at each start; `mayfly log move` moves them: see docs/scaling.md.',
    }),
  'store-password-file': z.string().min(1, 'must not be empty').optional().meta({
    description:
      'File whose first line is the password for `store`. A relative path starts at the directory of this file. Without it, PGPASSWORD or the file that PGPASSFILE names.',
  }),
  tiles: z
    .string()
    .refine(isTilesUrl, 'must be postgres, s3://BUCKET or s3://BUCKET/PREFIX')
    .optional()
    .meta({
      description:
        'Where the tiles of all logs are: `postgres`, in the database of `store`, which is the default where there is one; `s3://BUCKET/PREFIX`, below which each log has a prefix of its own; otherwise in files of the data directory. It is held to where they are at each start; `mayfly log move` moves them: see docs/scaling.md.',
    }),
  witness: witnessSchema.optional().meta({
    description:
      'Who cosigns the heads of the certificate log and of the log for Rekor v2: see docs/witness.md. Without it nobody.',
  }),
  bucket: bucketSchema.prefault({}).meta({ description: 'How the bucket of `tiles` is reached.' }),
  'scrub-interval': quantity('hours', 0, 8784).default(168).meta({
    description:
      'In which time all stored files of the logs are read through in the background and held to their trees; longer where that is more than a twentieth of a core. `0h`: never. See docs/log-durability.md.',
  }),
  shards: shardsSchema.optional().meta({
    description:
      'When a new certificate log takes the place of the one in use, while the service runs: see docs/shards.md. Without it none does.',
  }),
  submission: submissionSchema.optional().meta({
    description:
      'Whether other CAs may hand in certificates to the log (`add-chain`, `add-pre-chain`): see docs/other-logs.md. Without it nobody may.',
  }),
  anchor: anchorSchema.optional().meta({
    description:
      'A second place that knows the newest head of each log, so that a restored backup or a copy of the data directory is noticed: see docs/scaling.md.',
  }),
});

/** The values under `mayfly.log`, as the file spells them. */
export type LogValues = z.output<typeof logSchema>;
