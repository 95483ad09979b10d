/** The public conformance cases of sigstore-conformance. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { vectorPath } from '../../support/vectors.ts';

/** One bundle, and whether it is to be accepted. */
export interface ConformanceCase {
  readonly name: string;
  readonly expect: 'pass' | 'fail';
  /** Files are paths below the assets. */
  readonly bundle: string;
  /** That of the public instance where there is none. */
  readonly trustedRoot: string | null;
  readonly artifact: string;
  /** PEM. */
  readonly key: string | null;
  readonly identity: string;
  readonly issuer: string;
  /** In the words of the suite. */
  readonly why: string;
}

/** All of them. */
export const CONFORMANCE_CASES = JSON.parse(
  readFileSync(vectorPath('conformance/cases.json'), 'utf8'),
) as readonly ConformanceCase[];

/** The path of a file of a case. */
export const assetPath = (file: string): string => join(vectorPath('conformance/assets'), file);

/** The path of the trusted root of a case. */
export const trustedRootPath = ({ trustedRoot }: ConformanceCase): string =>
  trustedRoot === null ? vectorPath('conformance/production_trusted_root.json') : assetPath(trustedRoot);

/** The text of the bundle of the case of that name. */
export const caseBundle = (name: string): string =>
  readFileSync(assetPath(`bundle-verify/${name}/bundle.sigstore.json`), 'utf8');
