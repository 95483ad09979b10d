/** The syntax of JSON as Go's `encoding/json` reads a stream: one value, whatever follows it, and what Go says of a text that is none. */
import { goQuote } from './quote.ts';

/** What stands at the beginning of a text: a value with the offset behind it; nothing but blanks; or what Go says of the fault. */
export type FirstJsonValue =
  | { readonly type: 'value'; readonly end: number }
  | { readonly type: 'nothing' }
  | { readonly type: 'fault'; readonly message: string };

/** Objects and arrays inside each other, as Go has it. */
const MAX_DEPTH = 10_000;

/** Finds the first value of a text, in UTF-16 units. Linear in the length of the text, and without recursion. */
export function firstJsonValueOf(text: string): FirstJsonValue {
  const scan = new ValueScan(text);
  try {
    const end = scan.run();
    return end === undefined ? { type: 'nothing' } : { type: 'value', end };
  } catch (error) {
    if (error instanceof SyntaxFault) return { type: 'fault', message: error.message };
    throw error;
  }
}

class SyntaxFault extends Error {}

const LITERALS: ReadonlyMap<string, string> = new Map([
  ['t', 'true'],
  ['f', 'false'],
  ['n', 'null'],
]);

// eslint-disable-next-line no-control-regex -- what JSON has to escape
const PLAIN = /[^"\\\x00-\x1f]*/y;

class ValueScan {
  readonly #text: string;
  #at = 0;
  /** Whether each open one is an object. */
  readonly #open: boolean[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  /** The offset behind the value. */
  run(): number | undefined {
    this.#skipBlanks();
    if (this.#at === this.#text.length) return undefined;
    do this.#valueAndWhatEndsThere();
    while (this.#open.length > 0);
    return this.#at;
  }

  /** One value or the beginning of one, and all that ends behind it, up to where the next value begins. */
  #valueAndWhatEndsThere(): void {
    this.#skipBlanks();
    const isOpened = this.#beginValue();
    if (isOpened) return;
    while (this.#open.length > 0) {
      this.#skipBlanks();
      const isObject = this.#open.at(-1) === true;
      const found = this.#next(isObject ? 'after object key:value pair' : 'after array element', ',}]');
      if (found === ',') {
        if (isObject) this.#key();
        return;
      }
      if ((found === '}') !== isObject)
        this.#fault(this.#at - 1, isObject ? 'after object key:value pair' : 'after array element');
      this.#open.pop();
    }
  }

  /** Whether an object or array was opened that is not empty. */
  #beginValue(): boolean {
    const start = this.#text[this.#at];
    if (start === '{' || start === '[') return this.#enter(start === '{');
    if (start === '"') this.#string();
    else if (start !== undefined && /[-0-9]/.test(start)) this.#number();
    else this.#literal(start);
    return false;
  }

  #enter(isObject: boolean): boolean {
    this.#at++;
    this.#open.push(isObject);
    if (this.#open.length > MAX_DEPTH) throw new SyntaxFault('exceeded max depth');
    this.#skipBlanks();
    if (this.#text[this.#at] === (isObject ? '}' : ']')) {
      this.#at++;
      this.#open.pop();
      return false;
    }
    if (isObject) this.#key();
    return true;
  }

  #key(): void {
    this.#skipBlanks();
    if (this.#text[this.#at] !== '"') this.#fault(this.#at, 'looking for beginning of object key string');
    this.#string();
    this.#skipBlanks();
    this.#next('after object key', ':');
  }

  #string(): void {
    this.#at++;
    for (;;) {
      PLAIN.lastIndex = this.#at;
      PLAIN.test(this.#text);
      this.#at = PLAIN.lastIndex;
      const character = this.#text[this.#at];
      if (character === undefined) throw new SyntaxFault('unexpected EOF');
      if (character < ' ') this.#fault(this.#at, 'in string literal');
      this.#at++;
      if (character === '"') return;
      this.#escape();
    }
  }

  #escape(): void {
    if (this.#next('in string escape code', '"\\/bfnrtu') !== 'u') return;
    for (let i = 0; i < 4; i++) this.#next('in \\u hexadecimal character escape', '0123456789abcdefABCDEF');
  }

  #number(): void {
    const digits = '0123456789';
    if (this.#text[this.#at] === '-') this.#at++;
    if (this.#next('in numeric literal', digits) !== '0') this.#digits();
    if (this.#text[this.#at] === '.') {
      this.#at++;
      this.#next('after decimal point in numeric literal', digits);
      this.#digits();
    }
    if (!/[eE]/.test(this.#text[this.#at] ?? '')) return;
    this.#at++;
    if (/[-+]/.test(this.#text[this.#at] ?? '')) this.#at++;
    this.#next('in exponent of numeric literal', digits);
    this.#digits();
  }

  #digits(): void {
    while (/[0-9]/.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  #literal(start: string | undefined): void {
    const literal = LITERALS.get(start ?? '');
    if (literal === undefined) this.#fault(this.#at, 'looking for beginning of value');
    this.#at++;
    for (const expected of literal.slice(1))
      this.#next(`in literal ${literal} (expecting '${expected}')`, expected);
  }

  /** Reads one of those characters. */
  #next(context: string, allowed: string): string {
    const found = this.#text[this.#at];
    if (found === undefined || !allowed.includes(found)) this.#fault(this.#at, context);
    this.#at++;
    return found;
  }

  #skipBlanks(): void {
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    }
  }

  #fault(at: number, context: string): never {
    const code = this.#text.codePointAt(at);
    if (code === undefined) throw new SyntaxFault('unexpected EOF');
    throw new SyntaxFault(`invalid character ${quoted(code)} ${context}`);
  }
}

/** Go reads bytes, and prints the first one of a longer character as if it were Latin-1. */
function quoted(code: number): string {
  const byte = Buffer.from(String.fromCodePoint(code))[0] ?? 0;
  if (byte === 0x27) return "'\\''";
  if (byte === 0x22) return `'"'`;
  return `'${goQuote(String.fromCharCode(byte)).slice(1, -1)}'`;
}
