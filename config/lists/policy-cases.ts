import { FULCIO_EXTENSIONS } from '../../core/fulcio-extensions.ts';
import { parseRfc3339 } from '../../core/clock.ts';
import { nearest } from '../../core/nearest.ts';
import type { ClientKeyType } from '../../ca/signing-algorithms.ts';
import type { Expectation, ExpectedExtension } from '../../explain/expectation.ts';
import { ConfigError } from '../findings/config-error.ts';
import { readDocument } from '../yaml/document.ts';
import { policyCasesSchema, type PolicyCaseValues } from './policy-cases-schema.ts';
import { Report, type Path } from '../findings/report.ts';
import { check } from '../schema/schema-issues.ts';
import { Shaper } from '../schema/shape.ts';

/** One expectation of a policy. */
export interface PolicyCase {
  readonly name: string;
  /** Where it stands in the file. */
  readonly line: number;
  readonly claims: Readonly<Record<string, unknown>>;
  /** As written: JSON file whose claims stand under `claims`. */
  readonly claimsFile?: string | undefined;
  readonly keyType: ClientKeyType;
  /** Milliseconds since the epoch; undefined: whenever the case is tried. */
  readonly at?: number | undefined;
  readonly expected: Expectation;
}

/** A file of cases. */
interface PolicyCases {
  /** As written: the configuration that they are about. */
  readonly config?: string | undefined;
  readonly cases: readonly PolicyCase[];
}

/** Reads a file of cases, YAML or JSON; `file` is its name in messages. Throws {@link ConfigError} with everything that is
 * wrong, and nothing else. */
export function readPolicyCases(text: string, file: string): PolicyCases {
  const report = new Report();
  const root = readDocument(text, file);
  const shaped = new Shaper(report).shape(root, policyCasesSchema, []);
  const values = check(policyCasesSchema, shaped, [], report);
  const common = values && timeOf(values.at, ['at'], report);
  const cases = (values?.cases ?? []).map((values, index) =>
    caseOf(values, ['cases', index], common, report),
  );
  refuseRepeatedNames(cases, report);
  if (report.problems.length > 0) throw new ConfigError('CONFIG_INVALID', file, report.problems);
  return { config: values?.config, cases };
}

function caseOf(values: PolicyCaseValues, path: Path, at: number | undefined, report: Report): PolicyCase {
  if (values.claims === undefined && values['claims-file'] === undefined)
    report.problem(path, 'has no claims', 'Give it claims, claims-file, or both.');
  return {
    name: values.name,
    line: report.inside(path, 1, 1)?.line ?? 1,
    claims: values.claims ?? {},
    claimsFile: values['claims-file'],
    keyType: values['key-type'],
    at: timeOf(values.at, [...path, 'at'], report) ?? at,
    expected: expectationOf(values.expect, [...path, 'expect'], report),
  };
}

function timeOf(text: string | undefined, path: Path, report: Report): number | undefined {
  if (text === undefined) return undefined;
  const at = parseRfc3339(text);
  if (at === undefined)
    report.problem(path, 'is no RFC 3339 time', 'Write it with date, time and zone: 2026-11-22T10:00:00Z.');
  return at;
}

function expectationOf(expect: PolicyCaseValues['expect'], path: Path, report: Report): Expectation {
  const { issued, refused } = typeof expect === 'string' ? BARE[expect] : expect;
  if ((issued === undefined) === (refused === undefined))
    report.problem(path, 'must say either issued or refused', 'A case has one outcome.');
  if (refused !== undefined) {
    const { entry: issuerBlock, rule, reason } = refused;
    return { outcome: 'refused', issuerBlock, rule, reason };
  }
  const { entry, rule, san, lifetime, extensions, 'exact-extensions': exact } = issued ?? {};
  if (extensions !== undefined && exact !== undefined)
    report.problem([...path, 'issued'], 'has both extensions and exact-extensions', 'Keep one of them.');
  const key = exact === undefined ? 'extensions' : 'exact-extensions';
  return {
    outcome: 'issued',
    issuerBlock: entry,
    rule,
    san,
    extensions: extensionsOf(exact ?? extensions ?? {}, [...path, 'issued', key], report),
    exact: exact !== undefined,
    lifetimeSeconds: lifetime === undefined ? undefined : lifetime * 60,
  };
}

/** An outcome of which nothing else is expected. */
const BARE: Readonly<Record<'issued' | 'refused', Exclude<PolicyCaseValues['expect'], string>>> = {
  issued: { issued: {} },
  refused: { refused: {} },
};

function extensionsOf(
  values: Readonly<Record<string, string>>,
  path: Path,
  report: Report,
): ExpectedExtension[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const row = FULCIO_EXTENSIONS.find(
      ({ number, name }) => String(number) === key || plain(name) === plain(key),
    );
    if (row !== undefined) return [{ number: row.number, name: row.name, value }];
    const near = nearest(
      key,
      FULCIO_EXTENSIONS.map(({ name }) => name),
    );
    const hint = near === undefined ? 'Names are those of `mayfly explain`.' : `Did you mean "${near}"?`;
    report.problem([...path, key], 'is no extension of Fulcio', hint);
    return [];
  });
}

const plain = (name: string): string => name.toLowerCase().replaceAll('-', '');

function refuseRepeatedNames(cases: readonly PolicyCase[], report: Report): void {
  cases.forEach(({ name }, index) => {
    if (cases.findIndex((other) => other.name === name) !== index)
      report.problem(['cases', index, 'name'], `is the name of two cases: "${name}"`);
  });
}
