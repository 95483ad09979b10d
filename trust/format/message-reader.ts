/** Protobuf messages in JSON (the ProtoJSON format of protobuf.dev), as Sigstore's documents are written: read strictly, so that a member
 * that is not known is an error and nothing in a document stays unread. */
import { fromBase64, fromBase64Url } from '../../core/bytes.ts';
import { parseRfc3339 } from '../../core/clock.ts';
import { FormatError } from '../../core/errors.ts';
import { printable } from '../../core/printable.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';

/** More than any trusted root that is in use. */
const USUAL_LENGTH = 8 * 1024 * 1024;
const DEPTH = 32;

/** Elements of one list. */
const MAX_ELEMENTS = 1024;

/** The members of one message. Every reading call takes its member; {@link end} refuses what is left. All throw {@link FormatError} that
 * names the member by its path, such as `ctlogs[0].publicKey.rawBytes`. */
export class MessageReader {
  readonly #members: Map<string, JsonValue>;
  /** Name → as the document writes it, where that is another way. */
  readonly #spellings = new Map<string, string>();
  readonly #path: string;

  private constructor(value: JsonValue, path: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw malformed(path, 'is not an object');
    this.#path = path;
    this.#members = new Map();
    for (const [name, member] of Object.entries(value)) {
      const known = camelCase(name);
      if (this.#members.has(known)) throw malformed(this.#at(known), 'is there in two spellings');
      this.#members.set(known, member);
      if (name !== known) this.#spellings.set(known, name);
    }
  }

  /** The message that is the whole of a JSON text of at most `length` characters; `what` names it in errors. */
  static of(text: string, what: string, length = USUAL_LENGTH): MessageReader {
    return new MessageReader(parseStrictJson(text, { length, depth: DEPTH }), what);
  }

  /** The one whose JSON is part of a document that was read already. */
  static ofValue(value: JsonValue, what: string): MessageReader {
    return new MessageReader(value, what);
  }

  /** A text; undefined where it is not there. */
  optionalText(name: string): string | undefined {
    const value = this.#take(name);
    if (value === undefined || typeof value === 'string') return value;
    throw malformed(this.#at(name), 'is not a text');
  }

  text(name: string): string {
    return this.optionalText(name) ?? this.#missing(name);
  }

  /** Base64 in the standard or the URL-safe alphabet, padded as it should be or not at all. */
  optionalBytes(name: string): Uint8Array | undefined {
    const text = this.optionalText(name);
    return text === undefined ? undefined : readBase64(text, () => this.#at(name));
  }

  bytes(name: string): Uint8Array {
    return this.optionalBytes(name) ?? this.#missing(name);
  }

  /** A list of texts; empty where it is not there. */
  texts(name: string): readonly string[] {
    return this.#list(name).map((element, index) => {
      if (typeof element !== 'string') throw malformed(`${this.#at(name)}[${index}]`, 'is not a text');
      return element;
    });
  }

  /** A list of byte strings, each base64 as in {@link optionalBytes}; empty where it is not there. */
  byteStrings(name: string): readonly Uint8Array[] {
    return this.texts(name).map((text, index) => readBase64(text, () => `${this.#at(name)}[${index}]`));
  }

  /** Milliseconds since the epoch of an RFC 3339 time. */
  optionalTime(name: string): number | undefined {
    const text = this.optionalText(name);
    if (text === undefined) return undefined;
    const time = parseRfc3339(text);
    if (time === undefined) throw malformed(this.#at(name), 'is not an RFC 3339 time');
    return time;
  }

  time(name: string): number {
    return this.optionalTime(name) ?? this.#missing(name);
  }

  /** One of the names of an enumeration, or the number that stands for it. */
  optionalChoice<Name extends string>(
    name: string,
    choices: Readonly<Record<Name, number>>,
  ): Name | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    for (const choice of Object.keys(choices) as Name[])
      if (value === choice || value === choices[choice]) return choice;
    throw malformed(this.#at(name), `is none of ${Object.keys(choices).join(', ')}`);
  }

  choice<Name extends string>(name: string, choices: Readonly<Record<Name, number>>): Name {
    return this.optionalChoice(name, choices) ?? this.#missing(name);
  }

  /** A whole number from 0 on, as a number or, as Protobuf writes those of 64 bits, as a text. */
  optionalWhole(name: string): number | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    const number = typeof value === 'string' && /^(?:0|[1-9]\d{0,15})$/.test(value) ? Number(value) : value;
    if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0) return number;
    throw malformed(this.#at(name), 'is not a whole number');
  }

  whole(name: string): number {
    return this.optionalWhole(name) ?? this.#missing(name);
  }

  /** A message inside this one. */
  optionalMessage<T>(name: string, read: (reader: MessageReader) => T): T | undefined {
    const value = this.#take(name);
    return value === undefined ? undefined : readWhole(value, this.#at(name), read);
  }

  message<T>(name: string, read: (reader: MessageReader) => T): T {
    return this.optionalMessage(name, read) ?? this.#missing(name);
  }

  /** A list of messages; empty where it is not there. */
  messages<T>(name: string, read: (reader: MessageReader) => T): readonly T[] {
    return this.#list(name).map((element, index) => readWhole(element, `${this.#at(name)}[${index}]`, read));
  }

  /** Refuses members that nobody asked for. */
  end(): void {
    const [left] = this.#members.keys();
    if (left !== undefined) throw malformed(this.#at(this.#spellings.get(left) ?? left), 'is not known');
  }

  #list(name: string): readonly JsonValue[] {
    const value = this.#take(name);
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw malformed(this.#at(name), 'is not a list');
    const elements: readonly JsonValue[] = value;
    if (elements.length > MAX_ELEMENTS)
      throw malformed(this.#at(name), `has more than ${MAX_ELEMENTS} elements`);
    return elements;
  }

  /** Null is as good as nothing (ProtoJSON). */
  #take(name: string): JsonValue | undefined {
    const value = this.#members.get(name);
    this.#members.delete(name);
    return value ?? undefined;
  }

  #missing(name: string): never {
    throw malformed(this.#at(name), 'is missing');
  }

  #at(name: string): string {
    return `${this.#path}.${printable(name.slice(0, 80))}`;
  }
}

/** What is padded is padded to the end: any other number of `=` is none that an encoder writes. */
function readBase64(text: string, at: () => string): Uint8Array {
  try {
    const bare = text.replace(/={1,2}$/, '');
    const whole = bare.padEnd(Math.ceil(bare.length / 4) * 4, '=');
    if (bare !== text && whole !== text) throw malformed(at(), 'is not base64');
    return /[+/]/.test(bare) ? fromBase64(whole) : fromBase64Url(bare);
  } catch {
    throw malformed(at(), 'is not base64');
  }
}

function readWhole<T>(value: JsonValue, path: string, read: (reader: MessageReader) => T): T {
  const reader = MessageReader.ofValue(value, path);
  const result = read(reader);
  reader.end();
  return result;
}

/** The name of a member in JSON, from the one in the `.proto` file: readers must take both. */
const camelCase = (name: string): string =>
  name.includes('_') ? name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()) : name;

const malformed = (path: string, why: string): FormatError => new FormatError('MALFORMED', `${path} ${why}`);
