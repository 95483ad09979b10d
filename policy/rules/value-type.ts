/** The types that the checker knows, and what the variables of a rule hold. */
import type { CelType } from '@bufbuild/cel';
import { FULCIO_EXTENSIONS } from '../../core/fulcio-extensions.ts';

/** A type as far as it is known before a token is there; `dyn` is whatever the token brings. */
export interface ValueType {
  /** CEL's name for it. */
  readonly name: string;
  /** Of a list's elements or a map's values. */
  readonly element?: ValueType | undefined;
  /** Of a map that has these keys and no other. */
  readonly fields?: ReadonlyMap<string, ValueType> | undefined;
}

const simple = (name: string): ValueType => ({ name });

export const DYN = simple('dyn');
export const BOOL = simple('bool');
export const INT = simple('int');
export const STRING = simple('string');
export const TYPE = simple('type');
const TIMESTAMP = simple('google.protobuf.Timestamp');

/** A list of such elements. */
export const listOf = (element: ValueType): ValueType => ({ name: 'list', element });

/** A map with such values under any name. */
export const mapOf = (element: ValueType): ValueType => ({ name: 'map', element });

const record = (fields: Readonly<Record<string, ValueType>>): ValueType => ({
  name: 'map',
  element: DYN,
  fields: new Map(Object.entries(fields)),
});

const texts = (names: readonly string[]): Record<string, ValueType> =>
  Object.fromEntries(names.map((name) => [name, STRING]));

/** What a rule can look at. */
export const VARIABLES: ReadonlyMap<string, ValueType> = new Map([
  ['claims', mapOf(DYN)],
  [
    'principal',
    record({
      ...texts(['san', 'sanType', 'subject', 'issuer']),
      extensions: record(texts(FULCIO_EXTENSIONS.map(({ name }) => name))),
    }),
  ],
  ['issuer', STRING],
  ['key', record(texts(['type', 'provenBy']))],
  ['now', TIMESTAMP],
]);

/** The library's own notion of a type. */
export function valueTypeOf(type: CelType): ValueType {
  if (type.kind === 'list') return listOf(valueTypeOf(type.element));
  if (type.kind === 'map') return mapOf(valueTypeOf(type.value));
  return simple(type.name);
}

/** The type of what is one or the other. */
export function join(left: ValueType, right: ValueType): ValueType {
  if (left.name !== right.name) return DYN;
  if (left.element === undefined || right.element === undefined) return left;
  return left.fields !== undefined && left.fields === right.fields
    ? left
    : { name: left.name, element: join(left.element, right.element) };
}

const NUMBERS: ReadonlySet<string> = new Set(['int', 'uint', 'double']);

/** Whether a value of type `value` may stand where `wanted` is asked for; `dyn` is judged only when it is there. */
export const fits = (value: ValueType, wanted: ValueType): boolean =>
  value.name === 'dyn' || wanted.name === 'dyn' || value.name === wanted.name;

/** Whether values of these types can ever be equal. Numbers compare by value, as CEL has it. */
export const comparable = (left: ValueType, right: ValueType): boolean =>
  fits(left, right) ||
  left.name === 'null_type' ||
  right.name === 'null_type' ||
  (NUMBERS.has(left.name) && NUMBERS.has(right.name));

/** For people: `list`, `timestamp`. */
export const typeName = ({ name }: ValueType): string =>
  name.startsWith('google.protobuf.') ? name.slice('google.protobuf.'.length).toLowerCase() : name;

/** The same with its article. */
export const described = (type: ValueType): string => {
  const name = typeName(type);
  return `${/^[aeio]/.test(name) ? 'an' : 'a'} ${name}`;
};
