/**
 * What the service and the process that calls a module say to each other: frames of a length (4 bytes, big-endian) and JSON. Bounded, and read
 * strictly by both sides: the module may have overwritten whatever it liked in its process.
 */
import { fromBase64, toBase64 } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { PKCS11_REASONS, type Pkcs11Reason } from './pkcs11-error.ts';
import type { KeySelector, TokenSelector } from '../pkcs11-uri.ts';
import type { TokenKeyKind } from './token-key-kinds.ts';

/** Bytes of a frame's JSON. */
const MAX_FRAME = 256 * 1024;

/** What is asked. */
export type TokenRequest =
  /** The first one, once. */
  | { readonly ask: 'load'; readonly module: string }
  | { readonly ask: 'slots' }
  | {
      readonly ask: 'open';
      readonly token: TokenSelector;
      readonly pin: string | null;
      readonly isSure: boolean;
      readonly sessions: number;
      readonly isForWriting: boolean;
    }
  | { readonly ask: 'keys'; readonly key: SentKeySelector }
  | { readonly ask: 'take'; readonly key: SentKeySelector }
  | { readonly ask: 'sign'; readonly number: number; readonly data: string }
  | { readonly ask: 'make'; readonly kind: TokenKeyKind; readonly label: string; readonly id: string };

/** A {@link KeySelector} with its id in Base64. */
export interface SentKeySelector {
  readonly object?: string;
  readonly id?: string;
}

/** A key selector on its way. */
export const sentSelector = ({ object, id }: KeySelector): SentKeySelector => ({
  ...(object !== undefined && { object }),
  ...(id !== undefined && { id: toBase64(id) }),
});

/** A key selector that arrived. */
export const arrivedSelector = ({ object, id }: SentKeySelector): KeySelector => ({
  ...(object !== undefined && { object }),
  ...(id !== undefined && { id: fromBase64(id) }),
});

/** What went wrong in the process. */
export interface SentFault {
  readonly reason: Pkcs11Reason;
  readonly message: string;
  readonly hint: string | undefined;
}

/** The answer to the request of that number. */
export type TokenAnswer =
  { readonly of: number; readonly answer: unknown } | { readonly of: number; readonly fault: SentFault };

/** A frame of a value that JSON has. */
export function frameOf(value: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(value));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return Buffer.concat([length, json]);
}

/** Puts frames together. */
export class FrameReader {
  #bytes = Buffer.alloc(0);

  /** The values that are whole now. Throws FormatError for a frame that is too large or no JSON. */
  push(chunk: Uint8Array): readonly unknown[] {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const values: unknown[] = [];
    while (this.#bytes.length >= 4) {
      const length = this.#bytes.readUInt32BE();
      if (length > MAX_FRAME) throw new FormatError('TOO_LARGE', 'a message is too long');
      if (this.#bytes.length < 4 + length) break;
      values.push(parsed(this.#bytes.toString('utf8', 4, 4 + length)));
      this.#bytes = this.#bytes.subarray(4 + length);
    }
    return values;
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    throw malformed();
  }
}

/** An answer that arrived. Throws FormatError. */
export function arrivedAnswer(value: unknown): TokenAnswer {
  const members = membersOf(value);
  const of = wholeNumber(members['of']);
  if (members['fault'] === undefined) return { of, answer: members['answer'] };
  const fault = membersOf(members['fault']);
  const reason = PKCS11_REASONS.find((one) => one === fault['reason']);
  if (reason === undefined) throw malformed();
  return {
    of,
    fault: {
      reason,
      message: shortText(fault['message']),
      hint: fault['hint'] === undefined ? undefined : shortText(fault['hint']),
    },
  };
}

/** A slot, as it is shown. */
export interface ShownSlot {
  readonly id: string;
  readonly description: string;
  readonly manufacturer: string;
  /** Undefined where none is in it. */
  readonly token: ShownToken | undefined;
  readonly fault: string | undefined;
}

/** A token, as it is shown. */
export interface ShownToken {
  readonly label: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
  readonly isInitialized: boolean;
  /** What the token says of its PIN, where that is more than nothing. */
  readonly pin: 'count-low' | 'final-try' | 'locked' | undefined;
}

/** A module with its slots, as it is shown. */
export interface ShownModule {
  readonly library: string;
  readonly slots: readonly ShownSlot[];
}

/** The answer to `slots`. Throws FormatError. */
export function arrivedModule(value: unknown): ShownModule {
  const { library, slots } = membersOf(value);
  return { library: shortText(library), slots: listOf(slots).map(arrivedSlot) };
}

function arrivedSlot(value: unknown): ShownSlot {
  const { id, description, manufacturer, token, fault } = membersOf(value);
  return {
    id: shortText(id),
    description: shortText(description),
    manufacturer: shortText(manufacturer),
    token: token === undefined ? undefined : arrivedToken(token),
    fault: fault === undefined ? undefined : shortText(fault),
  };
}

function arrivedToken(value: unknown): ShownToken {
  const { label, manufacturer, model, serial, isInitialized, pin } = membersOf(value);
  const states = ['count-low', 'final-try', 'locked', undefined] as const;
  const at = states.findIndex((one) => one === pin);
  if (at < 0) throw malformed();
  return {
    label: shortText(label),
    manufacturer: shortText(manufacturer),
    model: shortText(model),
    serial: shortText(serial),
    isInitialized: isInitialized === true,
    pin: states[at],
  };
}

/** A private key in a token, as it is shown. */
export interface ShownKey {
  readonly label: string;
  readonly id: Uint8Array;
  readonly maySign: boolean;
  readonly isExtractable: boolean;
  readonly isLoginEachTime: boolean;
  /** DER SubjectPublicKeyInfo; undefined where the token has no public half, or one of a kind that is not used. */
  readonly spki: Uint8Array | undefined;
  /** Why there is none. */
  readonly fault: string | undefined;
}

/** The answer to `keys`. Throws FormatError. */
export const arrivedKeys = (value: unknown): readonly ShownKey[] => listOf(value).map(arrivedKey);

function arrivedKey(value: unknown): ShownKey {
  const { label, id, maySign, isExtractable, isLoginEachTime, spki, fault } = membersOf(value);
  return {
    label: shortText(label),
    id: bytes(id),
    maySign: maySign === true,
    isExtractable: isExtractable === true,
    isLoginEachTime: isLoginEachTime === true,
    spki: spki === undefined ? undefined : bytes(spki),
    fault: fault === undefined ? undefined : shortText(fault),
  };
}

/** The answer to `take`: the number to sign by, and the key. Throws FormatError. */
export function arrivedTaken(value: unknown): { readonly number: number; readonly key: ShownKey } {
  const { number, key } = membersOf(value);
  return { number: wholeNumber(number), key: arrivedKey(key) };
}

/** The answer to `sign`. Throws FormatError. */
export const arrivedBytes = (value: unknown): Uint8Array => bytes(value);

/** The answer to what has none. */
export const arrivedNothing = (): undefined => undefined;

/** Characters of a text for people. */
const MAX_TEXT = 8_192;
/** Elements of a list. */
const MAX_LIST = 256;

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed();
  return value as Record<string, unknown>;
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value) || value.length > MAX_LIST) throw malformed();
  return value;
}

function shortText(value: unknown): string {
  if (typeof value !== 'string' || value.length > MAX_TEXT) throw malformed();
  return value;
}

function wholeNumber(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw malformed();
  return value;
}

const bytes = (value: unknown): Uint8Array => fromBase64(shortText(value));

const malformed = (): FormatError => new FormatError('MALFORMED', 'a message is none that was asked for');
