/** Bodies of the reading calls of Rekor's first API. Every function throws EntryError as the framework refuses. */
import { hasTooManyValues } from '../../../core/json-bounds.ts';
import { firstJsonValue } from '../../http/first-json-value.ts';
import { FAULT, fault, parseFault } from './framework-faults.ts';

/** Items of a list. */
const MOST_ITEMS = 10;

/** The members of a body. What stands behind the first JSON value does not count, and null is as good as nothing. */
export class BodyValues {
  readonly #members: ReadonlyMap<string, unknown>;
  readonly #parameter: string;

  /** `parameter` is what the framework calls the body. */
  constructor(bytes: Buffer, parameter: string) {
    this.#parameter = parameter;
    const value = parsed(bytes, parameter);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw parseFault(parameter, 'json: cannot unmarshal it into a Go value of the type of this call');
    this.#members = membersOf(value);
  }

  /** A text. `path` is how the framework calls the member, where it stands in another one. */
  text(name: string): string | undefined {
    const value = this.#members.get(name);
    if (value === undefined || typeof value === 'string') return value;
    throw parseFault(this.#parameter, `json: cannot unmarshal ${name} into a Go value of type string`);
  }

  /** A whole number from 0 on. */
  count(name: string): number | undefined {
    const value = this.#members.get(name);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw parseFault(this.#parameter, `json: cannot unmarshal ${name} into a Go value of type int64`);
  }

  /** An object's members. */
  object(name: string): ReadonlyMap<string, unknown> | undefined {
    const value = this.#members.get(name);
    if (value === undefined) return undefined;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return membersOf(value);
    throw parseFault(this.#parameter, `json: cannot unmarshal ${name} into a Go value of its type`);
  }

  /** One to ten items; none where there is no such list. */
  list(name: string): readonly unknown[] {
    const value = this.#members.get(name);
    if (value === undefined) return [];
    if (!Array.isArray(value))
      throw parseFault(this.#parameter, `json: cannot unmarshal ${name} into a Go value of its type`);
    if (value.length === 0) throw fault(FAULT.tooFew, `${name} in body should have at least 1 items`);
    if (value.length > MOST_ITEMS)
      throw fault(FAULT.tooMany, `${name} in body should have at most ${MOST_ITEMS} items`);
    return value as readonly unknown[];
  }
}

/** Those that are not null. A name of JavaScript's own is a name like any other here. */
const membersOf = (value: object): ReadonlyMap<string, unknown> =>
  new Map(Object.entries(value).filter(([, member]) => member !== null));

function parsed(bytes: Buffer, parameter: string): unknown {
  if (bytes.length === 0) throw fault(FAULT.required, `${parameter} in body is required`);
  if (hasTooManyValues(bytes)) throw parseFault(parameter, 'it has too many values');
  const text = bytes.toString('utf8');
  try {
    return JSON.parse(text) as unknown;
  } catch {
    const first = firstJsonValue(text);
    if (first === undefined) throw parseFault(parameter, 'it is not JSON');
    return first;
  }
}
