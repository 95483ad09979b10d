import { z } from 'zod';
import { DEFAULT_SIGNING_ALGORITHMS } from '../../ca/signing-algorithms.ts';
import { isNetwork, isPublicUrl, listenAddress } from './addresses.ts';
import { artifactLogSchema } from './artifact-log-schema.ts';
import { auditSchema } from './audit-schema.ts';
import { grpcSchema } from './grpc-schema.ts';
import { algorithmSchema, rateLimitSchema } from './issuer-schema.ts';
import { keysSchema } from './keys-schema.ts';
import { logSchema } from './log-schema.ts';
import { quantity } from './quantity.ts';
import { timestampsSchema } from './timestamps-schema.ts';

const whole = (minimum: number, maximum: number) => z.number().int().min(minimum).max(maximum);

const limitsSchema = z.strictObject({
  'max-in-flight': whole(1, 100_000).default(512).meta({
    description:
      'Signing requests with a verified token that are worked on at once. One more is answered 503 with `Retry-After`.',
  }),
  'read-concurrency': whole(1, 10_000).default(4).meta({
    description:
      'Reads of the log answered at once, those of one client by half of them; they have this budget of their own beside issuing.',
  }),
  'idle-timeout': quantity('seconds', 5, 86_400).default(620).meta({
    description:
      'How long an idle connection is kept. Must be longer than a proxy in front keeps its own idle connections, or it answers 502 now and then: see docs/operations.md.',
  }),
});

const witnessSchema = z.strictObject({
  directory: z.string().min(1, 'must not be empty').meta({
    description:
      'What `mayfly witness init` made: its key, the file `logs`, and what it remembers. A relative path starts at the directory of this file.',
  }),
  listen: z
    .string()
    .refine((text) => listenAddress(text) !== undefined, 'must be HOST:PORT, an IPv6 address in brackets')
    .meta({
      description:
        'Where logs reach it, over plain HTTP, apart from the other listeners: `127.0.0.1:7380`. What it takes and says is signed.',
    }),
  'passphrase-file': z.string().min(1, 'must not be empty').optional().meta({
    description:
      'File whose first line opens its key, where that is encrypted. A relative path starts at the directory of this file.',
  }),
});

/** Everything under `mayfly:`. Strict: a key that is not here is an error. */
export const mayflySchema = z.strictObject({
  'public-url': z
    .string()
    .refine(isPublicUrl, 'must be an http(s) URL without credentials, query and fragment')
    .optional()
    .meta({
      description:
        'Where clients reach this service, e.g. `https://ca.example.com`. Goes into `log.v3.json` and printed advice. Without it the address of the listener is shown.',
    }),
  'log-access': z.enum(['public', 'token', 'loopback']).default('public').meta({
    description:
      'Who may read the log: `public` everybody; `token` who sends the token of `log-access-token-file` as a bearer; `loopback` only this machine. Log entries hold the names, and so the e-mail addresses, of those who signed.',
  }),
  'log-access-token-file': z.string().min(1, 'must not be empty').optional().meta({
    description:
      'File whose first line is the token for `log-access: token`. A relative path starts at the directory of this file.',
  }),
  'ct-log-url': z
    .string()
    .refine(isPublicUrl, 'must be an http(s) URL without credentials, query and fragment')
    .optional()
    .meta({
      description:
        'URL of a certificate log of somebody else (RFC 6962), in which certificates are logged in the place of the own one, such as `https://ct.example.com/2026`: see docs/other-logs.md. Needs `ct-log-public-key`.',
    }),
  'ct-log-public-key': z.string().min(1, 'must not be empty').optional().meta({
    description:
      'File with the public key of that log, PEM, ECDSA P-256. A relative path starts at the directory of this file.',
  }),
  'ct-log-tls-roots': z.string().min(1, 'must not be empty').optional().meta({
    description:
      'File with the PEM certificates that are trusted for the TLS of that log, in the place of those of the runtime. A relative path starts at the directory of this file.',
  }),
  'trusted-proxies': z
    .array(z.string().refine(isNetwork, 'must be an address or a network such as "10.0.0.0/8" or "fd00::/8"'))
    .default([])
    .meta({
      description:
        'Addresses and networks (CIDR) of the proxies in front. `X-Forwarded-For` is believed from nobody else.',
    }),
  'client-signing-algorithms': z
    .array(algorithmSchema)
    .min(1, 'must name at least one algorithm')
    .default([...DEFAULT_SIGNING_ALGORITHMS])
    .meta({
      description: "Keys and hashes that a client may use; Fulcio's flag `--client-signing-algorithms`.",
    }),
  'require-rules': z.boolean().default(false).meta({
    description:
      'Whether an issuer block without any `allow` rule refuses everybody. Off, as in Fulcio, such a block admits everyone who holds a token of the issuer. On, an `issuer-claim` needs `issuer-claim-values` too.',
  }),
  'rate-limit': rateLimitSchema.default({ principal: { 'per-minute': 600, burst: 600 } }).meta({
    description:
      'Limits of requests for issuer blocks that do not set their own; 429 with `Retry-After` beyond them.',
  }),
  limits: limitsSchema
    .prefault({})
    .meta({ description: 'What the service takes on at once; beyond it, it says "later" at once.' }),
  workers: z
    .union([whole(1, 64), z.literal('auto')])
    .default(1)
    .meta({
      description:
        'Threads that take connections and sign; `auto` for one on each core. See docs/scaling.md. `--workers` goes before it.',
    }),
  'shutdown-delay': whole(0, 300).default(0).meta({
    description:
      "Seconds for which the service goes on as before after SIGTERM, while `/readyz` says 503, so that a load balancer sends nothing new by the time it stops. Give it a little more than two rounds of the balancer's probe; 0 where there is none.",
  }),
  audit: auditSchema.optional().meta({
    description:
      'One line for each decision, issued or refused: see docs/audit.md. Without it there is only the service log.',
  }),
  timestamps: timestampsSchema
    .prefault({})
    .meta({ description: 'The timestamp authority: see docs/timestamps.md.' }),
  keys: keysSchema.prefault({}).meta({
    description:
      'Where the private keys are that are not in files of the data directory: see docs/signers.md.',
  }),
  'artifact-log': artifactLogSchema
    .prefault({})
    .meta({ description: 'The logs of artifacts, for clients of Rekor: see docs/rekor.md.' }),
  log: logSchema.prefault({}).meta({
    description:
      'Where the logs are kept, and what the certificate log takes of others: see docs/scaling.md and docs/other-logs.md.',
  }),
  witness: witnessSchema.optional().meta({
    description:
      'A witness of the logs of others in this service: see docs/witness.md. Without it there is none.',
  }),
  grpc: grpcSchema.prefault({}).meta({ description: 'Calls over gRPC: see docs/grpc.md.' }),
  'log-level': z.enum(['error', 'warn', 'info', 'debug']).default('info').meta({
    description: 'How much the service writes about itself. No level writes tokens, proofs or keys.',
  }),
});

/** The values under `mayfly:`, as the file spells them. */
export type MayflyValues = z.output<typeof mayflySchema>;
