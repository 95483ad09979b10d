/** The conditions of a search as people write them: in a query over HTTP, and as options of commands. */
import { fulcioExtensionOf } from '../core/fulcio-extensions.ts';
import { SearchError } from './search-error.ts';
import type { SearchCondition } from './search-keys.ts';

/** What can be asked of an entry by name. */
export const CONDITION_NAMES = [
  'identity',
  'identity-prefix',
  'issuer',
  'extension',
  'serial',
  'certificate',
  'key',
  'digest',
] as const;

/** One of them. */
export type ConditionName = (typeof CONDITION_NAMES)[number];

/** Characters of a value. */
export const LONGEST_VALUE = 2_048;

const READERS: Readonly<Record<ConditionName, (value: string) => SearchCondition>> = {
  identity: (value) => ({ by: 'name', value }),
  'identity-prefix': (value) => ({ by: 'name-prefix', value }),
  issuer: (value) => ({ by: 'issuer', value }),
  extension: (value) => ({ by: 'extension', value: extensionOf(value) }),
  serial: (value) => ({ by: 'serial', value: serialOf(value) }),
  certificate: (value) => ({ by: 'certificate', value: hashOf('certificate', value) }),
  key: (value) => ({ by: 'key', value: hashOf('key', value) }),
  digest: (value) => ({ by: 'digest', value: digestOf(value) }),
};

/** The condition that is written so. Throws {@link SearchError} `SEARCH_MALFORMED`, in whose sentence nothing of the value is. */
export function conditionOf(name: ConditionName, value: string): SearchCondition {
  if (value === '') throw malformed(`${name} is empty`);
  if (value.length > LONGEST_VALUE) throw malformed(`${name} is longer than ${LONGEST_VALUE} characters`);
  return READERS[name](value);
}

function extensionOf(text: string): string {
  const at = text.indexOf('=');
  const known = at < 0 ? undefined : fulcioExtensionOf(text.slice(0, at));
  if (known !== undefined && at + 1 < text.length) return `${known.number}=${text.slice(at + 1)}`;
  throw malformed(
    'extension names no extension of Fulcio and a value',
    'Write NAME=VALUE, e.g. source-repository-uri=https://github.com/acme/app or 1.21=URL.',
  );
}

function serialOf(text: string): string {
  const digits = text.replaceAll(':', '').replace(/^0+(?=.)/, '');
  if (/^[0-9a-f]{1,40}$/i.test(digits)) return digits;
  throw malformed('serial is no number in hexadecimal of at most 40 digits');
}

function hashOf(name: string, text: string): string {
  const digits = text.replace(/^sha256:/i, '').replaceAll(':', '');
  if (/^[0-9a-f]{64}$/i.test(digits)) return digits;
  throw malformed(`${name} is no SHA-256 in hexadecimal`);
}

function digestOf(text: string): string {
  if (/^(?:sha256:)?[0-9a-f]{64}$/i.test(text)) return text.includes(':') ? text : `sha256:${text}`;
  if (/^(?:sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/i.test(text)) return text;
  throw malformed(
    'digest is no digest in hexadecimal',
    'For example sha256:$(sha256sum FILE | cut -d" " -f1)',
  );
}

const malformed = (message: string, hint?: string): SearchError =>
  new SearchError('SEARCH_MALFORMED', message, hint === undefined ? {} : { hint });
