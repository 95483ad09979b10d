/**
 * Messages of Protobuf in their JSON form, as leniently and as strictly as Go's `protojson` reads them: names in camel case or as in the proto file,
 * either base64 alphabet, null for absent; but nothing unknown, nothing twice, and one member of a oneof. Faults have the text that clients know, with
 * line and column.
 */
import { firstJsonValueOf } from '../../core/go/json-syntax.ts';

/** A field, by its name in JSON. */
export type ProtoField = { readonly protoName: string; readonly oneof?: string } & (
  | { readonly type: 'bytes' | 'string' }
  | { readonly type: 'enum'; readonly values: ReadonlyMap<string, number> }
  | { readonly type: 'message' | 'list'; readonly fields: ProtoFields }
);

/** A message: name in JSON → field. */
export type ProtoFields = ReadonlyMap<string, ProtoField>;

/** What was read: name in JSON → value, for those fields alone that are there. Numbers are those of enums. */
export type ProtoMessage = ReadonlyMap<string, ProtoValue>;

/** The value of a field. */
export type ProtoValue = Uint8Array | string | number | ProtoMessage | readonly ProtoMessage[];

/** A text that is no such message. What it says is Go's, and quotes no more than a short piece of the text. */
export class ProtoJsonFault extends Error {}

/** The message at the beginning of a text; an empty one where there are only blanks. What follows is not looked at, as in Go's gateway. Throws {@link ProtoJsonFault}. */
export function readProtoJson(text: string, fields: ProtoFields): ProtoMessage {
  // Go looks at the syntax of the whole value before it looks at a field; and the walk relies on it.
  const first = firstJsonValueOf(text);
  if (first.type === 'nothing') return new Map();
  if (first.type === 'fault') throw new ProtoJsonFault(first.message);
  // Lines and columns are counted from the value on.
  return new Walk(text.slice(0, first.end).trimStart()).message(fields);
}

const PLAIN = /[^"\\]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y;
const WORD = /[a-z]+/y;
const STANDARD = /^[A-Za-z0-9+/]*={0,2}$/;
const URL_SAFE = /^[A-Za-z0-9_-]*={0,2}$/;
/** Elements of a list: of what an envelope has here, one is logged. */
const MAX_ELEMENTS = 8;
/** UTF-16 units of the request that a message quotes. */
const MAX_QUOTED = 128;

interface Token {
  readonly type: 'string' | 'number' | 'word' | 'mark';
  readonly at: number;
  readonly raw: string;
}

/** Goes through a text whose syntax is right. */
class Walk {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  message(fields: ProtoFields): ProtoMessage {
    this.#open('{');
    const found = new Map<string, ProtoValue>();
    const seen = new Set<string>();
    const oneofs = new Set<string>();
    for (let token = this.#next(); token.raw !== '}'; token = this.#afterMember()) {
      const [name, field] = this.#fieldOf(token, fields);
      this.#open(':');
      if (seen.has(name)) throw this.#fault(token, `duplicate field ${quoted(token)}`);
      seen.add(name);
      if (this.#skipNull()) continue;
      const { oneof } = field;
      if (oneof !== undefined && oneofs.has(oneof))
        throw this.#fault(token, `error parsing ${quoted(token)}, oneof ${oneof} is already set`);
      if (oneof !== undefined) oneofs.add(oneof);
      found.set(name, this.#value(name, field));
    }
    return found;
  }

  /** The next name, or the end. */
  #afterMember(): Token {
    const token = this.#next();
    return token.raw === ',' ? this.#next() : token;
  }

  #fieldOf(token: Token, fields: ProtoFields): [string, ProtoField] {
    if (token.type !== 'string') throw this.#unexpected(token);
    const name = this.#textOf(token);
    const field = fields.get(name);
    if (field !== undefined) return [name, field];
    const found = [...fields].find(([, { protoName }]) => protoName === name);
    if (found === undefined) throw this.#fault(token, `unknown field ${quoted(token)}`);
    return found;
  }

  #value(name: string, field: ProtoField): ProtoValue {
    if (field.type === 'message') return this.message(field.fields);
    if (field.type === 'list') return this.#list(field.fields);
    const token = this.#next();
    const value = this.#scalar(token, field);
    if (value === undefined)
      throw this.#fault(token, `invalid value for ${field.type} field ${name}: ${quoted(token)}`);
    return value;
  }

  #list(fields: ProtoFields): readonly ProtoMessage[] {
    this.#open('[');
    const out: ProtoMessage[] = [];
    for (;;) {
      const token = this.#next();
      if (token.raw === ']') return out;
      if (token.raw !== ',') this.#at = token.at;
      if (out.length === MAX_ELEMENTS)
        throw this.#fault(token, `a list has more than ${MAX_ELEMENTS} elements`);
      out.push(this.message(fields));
    }
  }

  #scalar(token: Token, field: ProtoField): Uint8Array | string | number | undefined {
    if (field.type === 'enum' && token.type === 'number') return int32(Number(token.raw));
    if (token.type !== 'string') return undefined;
    const text = this.#textOf(token);
    if (field.type === 'bytes') return bytesOf(text);
    return field.type === 'enum' ? field.values.get(text) : text;
  }

  #skipNull(): boolean {
    const token = this.#next();
    if (token.raw === 'null' && token.type === 'word') return true;
    this.#at = token.at;
    return false;
  }

  #open(mark: string): void {
    const token = this.#next();
    if (token.raw !== mark || token.type !== 'mark') throw this.#unexpected(token);
  }

  #next(): Token {
    const text = this.#text;
    for (; this.#at < text.length; this.#at++) {
      const code = text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break;
    }
    const at = this.#at;
    const first = text[at] ?? '';
    if (first === '"') return this.#string(at);
    if ('{}[],:'.includes(first)) {
      this.#at++;
      return { type: 'mark', at, raw: first };
    }
    const isNumber = first === '-' || (first >= '0' && first <= '9');
    return { type: isNumber ? 'number' : 'word', at, raw: this.#match(isNumber ? NUMBER : WORD) };
  }

  #string(at: number): Token {
    this.#at++;
    for (;;) {
      this.#match(PLAIN);
      const isEscape = this.#text[this.#at] === '\\';
      this.#at += isEscape ? 2 : 1;
      if (!isEscape) return { type: 'string', at, raw: this.#text.slice(at, this.#at) };
    }
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const raw = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += raw.length;
    return raw;
  }

  #textOf(token: Token): string {
    if (!token.raw.includes('\\')) return token.raw.slice(1, -1);
    const text = JSON.parse(token.raw) as string;
    if (text.isWellFormed()) return text;
    throw new ProtoJsonFault(`proto: syntax error ${this.#place(token)}: invalid escape code in string`);
  }

  #unexpected(token: Token): ProtoJsonFault {
    return new ProtoJsonFault(`proto: syntax error ${this.#place(token)}: unexpected token ${quoted(token)}`);
  }

  #fault(token: Token, sentence: string): ProtoJsonFault {
    return new ProtoJsonFault(`proto: ${this.#place(token)}: ${sentence}`);
  }

  #place({ at }: Token): string {
    const lines = this.#text.slice(0, at).split('\n');
    return `(line ${lines.length}:${Array.from(lines.at(-1) ?? '').length + 1})`;
  }
}

const quoted = ({ raw }: Token): string => (raw.length > MAX_QUOTED ? `${raw.slice(0, MAX_QUOTED)}…` : raw);

const int32 = (value: number): number | undefined =>
  Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31 ? value : undefined;

/** One alphabet throughout, padding exact or absent, line breaks skipped. */
function bytesOf(text: string): Uint8Array | undefined {
  const bare = text.replace(/[\r\n]/g, '');
  const hasPadding = text.length % 4 === 0;
  const lengthIsRight = hasPadding ? bare.length % 4 === 0 : bare.length % 4 !== 1 && !bare.endsWith('=');
  if (!lengthIsRight || !(/[-_]/.test(text) ? URL_SAFE : STANDARD).test(bare)) return undefined;
  return Buffer.from(bare, 'base64');
}
