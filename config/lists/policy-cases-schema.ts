import { z } from 'zod';
import { KEY_TYPES } from '../../explain/trial-key.ts';
import type { Unit } from '../schema/quantity.ts';

/** The file of `mayfly config test`: what is expected of a configuration. Strict, as an expectation that is lost to a slip
 * of the finger would be met by anything. */

const described = <T extends z.ZodType>(schema: T, description: string): T => schema.meta({ description });

const text = (description: string) =>
  described(z.string().min(1, 'must not be empty').optional(), description);

const extensions = (description: string) =>
  described(z.record(z.string(), z.string()).optional(), description);

const issuedSchema = z.strictObject({
  entry: text('The name of the issuer block that is chosen.'),
  rule: text('The name of the rule that allows.'),
  san: text('The name in the certificate: e-mail address, URI or user name.'),
  extensions: extensions(
    'Extensions by their name (`SourceRepositoryIdentifier` or `source-repository-identifier`) or number; there may be others. An empty value: must not be there.',
  ),
  'exact-extensions': extensions('The same, and there are no others.'),
  lifetime: described(
    // The end of the CA may leave a part of a minute.
    z
      .number()
      .positive()
      .max(60)
      .meta({ unit: 'minutes' satisfies Unit })
      .optional(),
    'How long the certificate lives.',
  ),
});

const refusedSchema = z.strictObject({
  entry: text('The name of the issuer block that is chosen.'),
  reason: text('The reason of the refusal, such as `RULE_DENIED`; see docs/errors.md.'),
  rule: text('The name of the rule that refuses.'),
});

const expectSchema = z.strictObject({
  issued: described(issuedSchema.optional(), 'A certificate is issued, with these properties.'),
  refused: described(refusedSchema.optional(), 'It is refused, in this way.'),
});

const time = (description: string) => described(z.string().optional(), description);

const caseSchema = z.strictObject({
  name: described(z.string().min(1, 'must not be empty'), 'What the case is about.'),
  claims: described(
    z.record(z.string(), z.unknown()).optional(),
    'Claims as a token would hold them; `iss` and `aud` choose the issuer block. Laid over those of `claims-file`.',
  ),
  'claims-file': text('JSON file with claims; a relative path starts at the directory of this file.'),
  'key-type': described(z.enum(KEY_TYPES).default('P-256'), 'The key that the certificate would be for.'),
  at: time('As of which time, RFC 3339.'),
  expect: described(
    z.union([z.enum(['issued', 'refused']), expectSchema]),
    '`issued` or `refused`, or one of both with what is expected of it.',
  ),
});

/** The values of one case. */
export type PolicyCaseValues = z.output<typeof caseSchema>;

/** The whole file. */
export const policyCasesSchema = z.strictObject({
  config: text(
    'The configuration; a relative path starts at the directory of this file. The option `--config` wins.',
  ),
  at: time('As of which time cases are judged that do not say; default now.'),
  define: described(z.unknown().optional(), 'Holds YAML anchors; otherwise ignored.'),
  cases: described(z.array(caseSchema).min(1, 'must hold at least one case'), 'What is expected.'),
});
