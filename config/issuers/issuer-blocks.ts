import type { ConfiguredIssuer } from '../../policy/issuer-policy-definition.ts';
import { findInIssuerBlock } from './issuer-findings.ts';
import { issuerSchema } from '../schema/fulcio-schema.ts';
import { issuerBlockOf, type IssuerBlockContext, type IssuerBlockPosition } from './issuer-block.ts';
import { checkKeys } from './issuer-keys.ts';
import { checkType } from './issuer-type.ts';
import type { Path, Report } from '../findings/report.ts';
import { check } from '../schema/schema-issues.ts';

/** A file's values, each under its YAML name. */
export type Shaped = Readonly<Record<string, unknown>>;

const SECTIONS: readonly string[] = ['oidc-issuers', 'meta-issuers'];

/** All blocks of issuers and meta issuers, in the order of the file. */
export function issuerBlocksOf(shaped: Shaped, context: IssuerBlockContext): ConfiguredIssuer[] {
  const names = new Names(context.report);
  return Object.keys(shaped)
    .filter((section) => SECTIONS.includes(section))
    .flatMap((section) =>
      membersOf(shaped, section, context.report).flatMap(([key, value]) =>
        blocksOfIssuer(section, key, value, context, names),
      ),
    );
}

/** The members of a map at the top; a report and nothing if it is no map. */
export function membersOf(shaped: Shaped, key: string, report: Report): [string, unknown][] {
  const section = shaped[key] ?? {};
  if (typeof section === 'object' && !Array.isArray(section)) return Object.entries(section);
  report.problem([key], 'must be a map of keys');
  return [];
}

/** An issuer has one block, or a list of them. */
function blocksOfIssuer(
  section: string,
  key: string,
  value: unknown,
  context: IssuerBlockContext,
  names: Names,
): ConfiguredIssuer[] {
  const { report } = context;
  if (Array.isArray(value) && value.length === 0) report.problem([section, key], 'must not be an empty list');
  const audiences = new Audiences(report);
  const placed = [value].flat().flatMap((item: unknown, index) => {
    const path = Array.isArray(value) ? [section, key, index] : [section, key];
    checkType(key, item, path, report);
    const values = check(issuerSchema, item, path, report);
    if (values === undefined) return [];
    const defaultName = index === 0 ? key : `${key}#${index + 1}`;
    const place: IssuerBlockPosition = { path, key, isMeta: section === 'meta-issuers', defaultName };
    names.claim(values.mayfly.name ?? defaultName, path);
    audiences.claim([values['client-id']].flat(), path);
    const issuer = issuerBlockOf(values, place, context);
    return issuer === undefined ? [] : [{ issuer, path }];
  });
  checkKeys(
    placed.map(({ issuer: { definition }, path }) => ({ definition, path })),
    report,
  );
  // What is wrong with a block may be the very rule that is missed.
  for (const { issuer, path } of placed) if (!report.isWrong(path)) findInIssuerBlock(issuer, path, report);
  return placed.map(({ issuer }) => issuer);
}

/** The names of a file's issuer blocks. */
class Names {
  readonly #taken = new Set<string>();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  claim(name: string, path: Path): void {
    if (this.#taken.has(name))
      this.#report.problem(
        [...path, 'mayfly', 'name'],
        `the name "${name}" is given twice`,
        'Audit lines and metrics distinguish issuer blocks by it: choose another one.',
      );
    this.#taken.add(name);
  }
}

/** The audiences of one issuer's blocks: a token that fits two of them is refused, so that none may be shared. */
class Audiences {
  readonly #taken = new Set<string>();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  claim(audiences: readonly string[], path: Path): void {
    const fresh = new Set(audiences);
    for (const audience of fresh)
      if (this.#taken.has(audience))
        this.#report.problem(
          [...path, 'client-id'],
          `another block of this issuer has the audience "${audience}" too`,
          'The audience chooses the issuer block, so a token for it would always be refused: give each its own.',
        );
    for (const audience of fresh) this.#taken.add(audience);
  }
}
