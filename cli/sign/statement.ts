/** The in-toto statement that `mayfly attest` signs: what is said (the predicate) of which artifact (the subject). */
import { toHex } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { parseStrictJson } from '../../core/strict-json.ts';
import { CommandError } from '../program/command.ts';

/** Short names of predicate types, as cosign has them. */
const PREDICATE_TYPES: ReadonlyMap<string, string> = new Map([
  ['slsaprovenance', 'https://slsa.dev/provenance/v0.2'],
  ['slsaprovenance02', 'https://slsa.dev/provenance/v0.2'],
  ['slsaprovenance1', 'https://slsa.dev/provenance/v1'],
  ['link', 'https://in-toto.io/Link/v1'],
  ['spdx', 'https://spdx.dev/Document'],
  ['spdxjson', 'https://spdx.dev/Document'],
  ['cyclonedx', 'https://cyclonedx.org/bom'],
  ['vuln', 'https://cosign.sigstore.dev/attestation/vuln/v1'],
  ['openvex', 'https://openvex.dev/ns'],
  ['custom', 'https://cosign.sigstore.dev/attestation/v1'],
]);

/** The names, for help texts. */
export const PREDICATE_NAMES = [...PREDICATE_TYPES.keys()];

/** The URI for which a name stands; what is no name is returned as it is. */
export const predicateUri = (type: string): string => PREDICATE_TYPES.get(type) ?? type;

/** The URI of a predicate type that is named in short, or is one already. Throws {@link CommandError} `USAGE`. */
export function predicateType(type: string): string {
  const known = PREDICATE_TYPES.get(type);
  if (known !== undefined) return known;
  if (/^[A-Za-z][A-Za-z0-9+.-]*:[^\s"\\\p{Cc}]{1,2000}$/u.test(type)) return type;
  throw new CommandError('USAGE', '--type: that is no predicate type', {
    hint: `Give a URI, or one of ${PREDICATE_NAMES.join(', ')}.`,
  });
}

/** Bytes of a predicate: with the rest, and in base64, the bundle stays below what verifiers read. */
export const PREDICATE_LIMIT = 4 * 1024 * 1024;

/** So that the statement around it has no more parts, and is nested no deeper, than verifiers take. */
const LIMITS = { length: PREDICATE_LIMIT, depth: 60, parts: 900_000 };

/** What is said of one artifact. */
interface Claim {
  /** Of the artifact, without its folder. */
  readonly name: string;
  /** SHA-256. */
  readonly digest: Uint8Array;
  /** URI. */
  readonly type: string;
  /** The text of a JSON object. */
  readonly predicate: string;
}

/** The text of the statement. The predicate stands in it as it was given, so that no number of it changes. Throws {@link CommandError} `USAGE` when the predicate is not
 * a JSON object. */
export function statementOf({ name, digest, type, predicate }: Claim): string {
  requireObject(predicate);
  const subject = [{ name, digest: { sha256: toHex(digest) } }];
  return `{"_type":"https://in-toto.io/Statement/v1","subject":${JSON.stringify(subject)},"predicateType":${JSON.stringify(type)},"predicate":${predicate.trim()}}`;
}

function requireObject(predicate: string): void {
  try {
    const value = parseStrictJson(predicate, LIMITS);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw notObject(error.message);
  }
  throw notObject('it is not an object');
}

const notObject = (why: string): CommandError =>
  new CommandError('USAGE', `--predicate is not a JSON object: ${why}`, {
    hint: 'What a predicate of the type has in it is for the type to say; any object will do for "custom".',
  });
