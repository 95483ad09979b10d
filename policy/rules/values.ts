/**
 * JSON as values of CEL, converted when they are looked at: a rule that reads two claims of fifty pays for two. Only own
 * properties count, so that names like `__proto__` or `constructor` are names like any other.
 *
 * A number becomes an `int` when it is a whole number that a double holds exactly, else a `double`: `claims.n == 5`
 * holds for 5 and 5.0, as JSON has no difference between them. A whole number beyond that has lost its last digits when
 * it was read: two ids may have become one, so that a rule which looks at it fails.
 */
import { isCelList, isCelMap, type CelInput, type CelList, type CelMap, type CelValue } from '@bufbuild/cel';
import { charge } from './meter.ts';

// The marks by which the library knows its own kinds; it offers no other way to hand in a value of one's own.
const LIST = Symbol.for('@bufbuild/cel/list');
const MAP = Symbol.for('@bufbuild/cel/map');

/** A rule looked at a number of which nobody knows the last digits. */
export class InexactNumber extends Error {}

/** From here on numbers are written with an exponent: nobody's id. */
const MEASURES = 1e21;

function celOfNumber(value: number): CelValue {
  if (Number.isSafeInteger(value)) return BigInt(value);
  if (Number.isInteger(value) && Math.abs(value) < MEASURES) throw new InexactNumber();
  return value;
}

/** A JSON value as CEL sees it; what JSON cannot hold is null. Throws {@link InexactNumber}. */
export function celOfJson(value: unknown): CelValue {
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return celOfNumber(value);
  if (Array.isArray(value)) return new ArrayList<unknown>(value, celOfJson) as unknown as CelList;
  return typeof value === 'object' && value !== null ? celOfObject(value as Record<string, unknown>) : null;
}

/** The own properties of a JSON object. */
export const celOfObject = (object: Readonly<Record<string, unknown>>): CelMap =>
  new ObjectMap(object) as unknown as CelMap;

class ObjectMap {
  readonly [MAP] = true;
  readonly #object: Readonly<Record<string, unknown>>;
  #keys: readonly string[] | undefined;

  constructor(object: Readonly<Record<string, unknown>>) {
    this.#object = object;
  }

  get size(): number {
    return this.#names().length;
  }

  get(key: unknown): CelValue | undefined {
    return this.has(key) ? celOfJson(this.#object[key]) : undefined;
  }

  has(key: unknown): key is string {
    return typeof key === 'string' && Object.hasOwn(this.#object, key);
  }

  keys(): IterableIterator<string> {
    return this.#names().values();
  }

  *values(): Generator<CelValue> {
    for (const name of this.#names()) yield celOfJson(this.#object[name]);
  }

  *entries(): Generator<[string, CelValue]> {
    for (const name of this.#names()) yield [name, celOfJson(this.#object[name])];
  }

  [Symbol.iterator](): Generator<[string, CelValue]> {
    return this.entries();
  }

  forEach(visit: (value: CelValue, key: string, map: unknown) => void, self?: unknown): void {
    for (const [key, value] of this.entries()) visit.call(self, value, key, this);
  }

  /** Listing is paid for: it is the one thing here that grows with the object. */
  #names(): readonly string[] {
    if (this.#keys === undefined) {
      this.#keys = Object.keys(this.#object);
      charge(this.#keys.length);
    }
    return this.#keys;
  }
}

/** Elements are converted by `read` when they are looked at. */
class ArrayList<Item> {
  readonly [LIST] = true;
  readonly items: Item[];
  readonly #read: (item: Item) => CelValue;

  constructor(items: Item[], read: (item: Item) => CelValue) {
    this.items = items;
    this.#read = read;
  }

  get size(): number {
    return this.items.length;
  }

  get(index: number): CelValue | undefined {
    const inside = Number.isInteger(index) && index >= 0 && index < this.size;
    return inside ? this.#read(this.items[index] as Item) : undefined;
  }

  *values(): Generator<CelValue> {
    for (const item of this.items) yield this.#read(item);
  }

  [Symbol.iterator](): Generator<CelValue> {
    return this.values();
  }
}

/** An empty list for {@link append}. */
export const growingList = (): CelList => new ArrayList<CelValue>([], (item) => item) as unknown as CelList;

/** Adds to a list that a macro fills; the same list comes back. The library's own way wraps the list once more for each
 * element, which makes reading it quadratic. Only for lists of {@link growingList}, which nobody else sees before they
 * are full. */
export function append(list: CelList, item: CelValue): CelList {
  (list as unknown as ArrayList<CelValue>).items.push(item);
  return list;
}

/** Pays for a walk over a value with all that is in it: a step for each part and for 32 characters of text. */
export function chargeWalk(value: CelInput): void {
  if (typeof value === 'string' || value instanceof Uint8Array) charge(1 + (value.length >> 5));
  else if (isCelList(value)) {
    charge(1 + value.size);
    for (const item of value) chargeWalk(item);
  } else if (isCelMap(value)) {
    charge(1 + value.size);
    for (const [key, item] of value) {
      chargeWalk(key);
      chargeWalk(item);
    }
  }
}
