import { z } from 'zod';
import { SIGNING_ALGORITHM_NAMES } from '../../ca/signing-algorithms.ts';
import { quantity } from './quantity.ts';

/**
 * What is ours in an issuer block: the block `mayfly:` in it. Strict, so that no rule is lost to a typo. What the
 * values must be together is in `config/issuers`.
 */

const whole = (minimum: number, maximum: number) => z.number().int().min(minimum).max(maximum);

const described = <T extends z.ZodType>(schema: T, description: string): T => schema.meta({ description });

/** Names a part of the schema, so that the JSON Schema has it once, under that name. */
const named = <T extends z.ZodType>(id: string, schema: T, more: object = {}): T =>
  schema.meta({ id, ...more });

const words = (most: number) =>
  z
    .string()
    .min(1, 'must not be empty')
    .max(most, `must not be longer than ${most} characters`)
    .regex(/^\P{Cc}*$/u, 'must be one line without control characters');

/** An address that a document is asked for at. */
const documentUrl = z
  .string()
  .max(2000, 'must not be longer than 2000 characters')
  .regex(/^https?:\/\/[^/\s]/i, 'must be an http(s) URL');

/** Names of `ca/signing-algorithms.ts`. */
export const algorithmSchema = named('algorithm', z.enum(SIGNING_ALGORITHM_NAMES));

/** Turns off what is on by default. */
export const off = z.literal('off');

/** How often something may happen. */
export const bucketSchema = named(
  'bucket',
  z.strictObject({
    'per-minute': described(whole(1, 1_000_000), 'How many requests a minute, in the long run.'),
    burst: described(
      whole(1, 1_000_000).optional(),
      'How many at once after a quiet time; as many as `per-minute` when it is not given.',
    ),
  }),
);

/** Limits of requests; `off` for one or for both. */
export const rateLimitSchema = named(
  'rate-limit',
  z.union([
    off,
    z.strictObject({
      issuer: described(
        z.union([off, bucketSchema]).optional(),
        'For all tokens of an issuer block together.',
      ),
      principal: described(z.union([off, bucketSchema]).optional(), 'For each principal.'),
    }),
  ]),
);

/** The values of `rate-limit`. */
export type RateLimitValues = z.output<typeof rateLimitSchema>;

const ruleSchema = named(
  'rule',
  z.strictObject({
    name: described(words(100), 'What audit lines and refusals call the rule; unique in its issuer block.'),
    allow: described(z.string().optional(), 'CEL that says who may. Either `allow` or `deny`.'),
    deny: described(z.string().optional(), 'CEL that says who may not, whatever the allow rules say.'),
    message: described(words(500).optional(), 'What a person reads whom the rule refuses.'),
  }),
  { oneOf: [{ required: ['allow'] }, { required: ['deny'] }] },
);

/** The values of one rule. */
export type RuleValues = z.output<typeof ruleSchema>;

/** The block `mayfly:` of an issuer block. */
export const mayflyIssuerSchema = z.strictObject({
  name: described(
    words(300).optional(),
    "What audit lines, metrics and `mayfly explain` call the issuer block; unique in the file. Without it the issuer's URL, with `#2`, `#3` … for further blocks of a list.",
  ),
  lifetime: described(
    quantity('minutes', 1, 60).default(10),
    'How long a certificate lives; never past the CA.',
  ),
  'key-algorithms': described(
    z.array(algorithmSchema).min(1, 'must name at least one algorithm').optional(),
    'Keys and hashes that may be used here: some of `mayfly.client-signing-algorithms`. Without it all of those.',
  ),
  csr: described(
    z.boolean().default(true),
    'Whether a certificate signing request is taken in place of a proof of possession. It proves its key once, not for whom. sigstore-python sends nothing else.',
  ),
  leeway: described(
    quantity('seconds', 0, 300).default(0),
    "How far the issuer's clock may be off when it says until when and from when a token holds.",
  ),
  'issuer-claim-values': described(
    z.array(words(2000)).min(1, 'must name at least one value').optional(),
    'With `issuer-claim`: the values that a certificate may name as its issuer.',
  ),
  'any-issuer-claim': described(
    z.boolean().default(false),
    'With `issuer-claim`: whatever the claim says is put into the certificate. Anyone who can set the claim chooses the issuer that verifiers see.',
  ),
  jwks: described(
    z.record(z.string(), z.unknown()).optional(),
    "The issuer's keys, a JWK Set: it is then never asked.",
  ),
  'jwks-file': described(
    z.string().min(1, 'must not be empty').optional(),
    'The same in a file of its own; a relative path starts at the directory of this file.',
  ),
  'jwks-url': described(
    documentUrl.optional(),
    "Where the issuer's keys are, if that is not for its discovery document to say: no such document is asked for then, and tokens may be signed with whatever the keys are for. A client that can change what is there can become anybody of this issuer.",
  ),
  'discovery-url': described(
    documentUrl.optional(),
    "Where the issuer's discovery document is, if not at its URL with `/.well-known/openid-configuration` behind. The document must name the issuer all the same.",
  ),
  'discovery-issuer': described(
    words(2000).optional(),
    'What the discovery document names as its `issuer`, if not the URL of the issuer block. Tokens must name the URL of the issuer block.',
  ),
  'ca-cert-file': described(
    z.string().min(1, 'must not be empty').optional(),
    'A file of PEM certificates that are trusted for this issuer beside `ca-cert`; a relative path starts at the directory of this file. It is followed like the configuration.',
  ),
  'jwks-hosts': described(
    z.array(words(253)).min(1, 'must name at least one host').optional(),
    "Names or addresses of hosts to which the issuer's `jwks_uri` may lead although their addresses are private; its own host may always.",
  ),
  'replay-guard': described(
    z.enum(['off', 'jti', 'token']).default('off'),
    'What is remembered of a token until it expires, so that it works once: its `jti` (its hash when it has none), or its hash.',
  ),
  'rate-limit': described(
    rateLimitSchema.optional(),
    'Limits of this issuer block; what is not said here is as `mayfly.rate-limit` says.',
  ),
  rules: described(
    z.array(ruleSchema).max(10_000, 'must not be more than 10000 rules').default([]),
    'Who may: a deny rule that holds refuses; with any allow rule, one of those must hold.',
  ),
});

/** The values of the block. */
export type MayflyIssuerValues = z.output<typeof mayflyIssuerSchema>;
