/** The file of `mayfly verify certificate --deny`: certificates that a team does not believe. Strict, as a rule that is
 * lost to a slip of the finger would deny nothing. */
import { z } from 'zod';
import { parseRfc3339 } from '../../core/clock.ts';
import type { DenyList, DenyRule } from '../../verify/deny-list.ts';
import { ConfigError } from '../findings/config-error.ts';
import { readDocument } from '../yaml/document.ts';
import { Report, type Path } from '../findings/report.ts';
import { check } from '../schema/schema-issues.ts';
import { Shaper } from '../schema/shape.ts';

const MAX_RULES = 10_000;
const MAX_REASON = 500;
const SERIAL = /^(?:[0-9a-f]{1,40}|[0-9a-f]{2}(?::[0-9a-f]{2}){0,19})$/i;
const SHA256 = /^[0-9a-f]{64}$/i;

const described = <T extends z.ZodType>(schema: T, description: string): T => schema.meta({ description });
const text = (description: string) =>
  described(z.string().min(1, 'must not be empty').optional(), description);
const pattern = (expression: RegExp, message: string, description: string) =>
  described(z.string().regex(expression, message).optional(), description);

const ruleSchema = z.strictObject({
  reason: described(
    z.string().min(1, 'must not be empty').max(MAX_REASON, `must have at most ${MAX_REASON} characters`),
    'Why; shown with the refusal.',
  ),
  serial: pattern(
    SERIAL,
    'is no serial number in hexadecimal',
    'The serial number, hexadecimal, with colons or without.',
  ),
  'ca-key-sha256': pattern(
    SHA256,
    'is no SHA-256 in hexadecimal',
    'SHA-256 of the public key (SubjectPublicKeyInfo, DER) of a CA above the certificate, hexadecimal.',
  ),
  identity: text('The name in the certificate: e-mail address, URI or user name. Case does not count.'),
  'identity-prefix': text('What the name begins with. Case does not count.'),
  issuer: text('The OpenID issuer that vouched for the name. Case does not count.'),
  from: text('Issued at this time or later, RFC 3339.'),
  until: text('Issued at this time or earlier, RFC 3339.'),
});

/** The whole file. */
export const denyListSchema = z.strictObject({
  version: described(z.literal(1, 'must be 1'), 'Of this format.'),
  expires: described(
    z.string(),
    'Until when the list may be used, RFC 3339. A verifier refuses to work with an older one.',
  ),
  deny: described(
    z.array(ruleSchema).max(MAX_RULES, `must hold at most ${MAX_RULES} rules`),
    'Each denies the certificates for which all that it says holds.',
  ),
});

/** Reads a list, YAML or JSON; `file` is its name in messages. Throws {@link ConfigError} with everything that is wrong, and
 * nothing else. Whether the list is the team's, and still good, is for the verifier. */
export function readDenyList(text: string, file: string): DenyList {
  const report = new Report();
  const root = readDocument(text, file);
  const shaped = new Shaper(report).shape(root, denyListSchema, []);
  const values = check(denyListSchema, shaped, [], report);
  const expires = values && timeOf(values.expires, ['expires'], report);
  const rules = (values?.deny ?? []).map((rule, index) => ruleOf(rule, ['deny', index], report));
  if (report.problems.length > 0 || expires === undefined)
    throw new ConfigError('CONFIG_INVALID', file, report.problems);
  return { expires, rules };
}

function ruleOf(rule: z.output<typeof ruleSchema>, path: Path, report: Report): DenyRule {
  const { reason, serial, identity, issuer, 'identity-prefix': identityPrefix, ...other } = rule;
  if (Object.values({ ...rule, reason: undefined }).every((value) => value === undefined))
    report.problem(
      path,
      'denies every certificate',
      'Say which: serial, ca-key-sha256, identity, issuer, from, …',
    );
  if (identity !== undefined && identityPrefix !== undefined)
    report.problem(path, 'has both identity and identity-prefix', 'Keep one of them.');
  const from = timeOf(other.from, [...path, 'from'], report);
  const until = timeOf(other.until, [...path, 'until'], report);
  if (from !== undefined && until !== undefined && until < from)
    report.problem([...path, 'until'], 'is before from, so that nothing is denied');
  return {
    reason,
    identity,
    identityPrefix,
    issuer,
    from,
    until,
    serial: serial
      ?.replaceAll(':', '')
      .toLowerCase()
      .replace(/^0+(?=.)/, ''),
    caKeySha256: other['ca-key-sha256']?.toLowerCase(),
  };
}

function timeOf(text: string | undefined, path: Path, report: Report): number | undefined {
  const time = text === undefined ? undefined : parseRfc3339(text);
  if (text !== undefined && time === undefined)
    report.problem(path, 'is no RFC 3339 time', 'Write it with date, time and zone: 2026-11-22T10:00:00Z.');
  return time;
}
