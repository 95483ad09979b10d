/**
 * A token in the process that calls its module: found by a URI's words, logged in to, its keys found and used. What fails is said in words for an
 * operator, with the name of what the module returned; a PIN is in none of it.
 */
import { FormatError } from '../../core/errors.ts';
import { printable } from '../../core/printable.ts';
import type { Cryptoki, TokenInfo } from './cryptoki.ts';
import { Pkcs11Error, type Pkcs11Reason } from './pkcs11-error.ts';
import type { KeySelector, TokenSelector } from '../pkcs11-uri.ts';
import { CKR, CryptokiError, isOfTheKey } from './return-values.ts';
import { SessionPool } from './session-pool.ts';
import { findKeys, type FoundKey } from './token-keys.ts';
import { CKK } from './token-public-key.ts';
import { fitting, slotsOf, tokenName } from './token-slots.ts';

/** Flags of CK_TOKEN_INFO. */
const CKF = {
  loginRequired: 0x4n,
  ownPinEntry: 0x100n,
  pinCountLow: 0x10000n,
  pinFinalTry: 0x20000n,
  pinLocked: 0x40000n,
} as const;

/** CKU_USER, CKU_CONTEXT_SPECIFIC. */
const USER = 1n;
const ONE_SIGNATURE = 2n;

/** States of a session in which private keys are seen. */
const LOGGED_IN: ReadonlySet<bigint> = new Set([1n, 3n]);

/** How each kind of key signs. What is signed is prepared by who asks: a digest, DigestInfo, the message. */
const MECHANISMS: ReadonlyMap<bigint, bigint> = new Map([
  [CKK.ec, 0x1041n],
  [CKK.rsa, 0x1n],
  [CKK.edwards, 0x1057n],
]);

/** Bytes of what is signed at once: Ed25519 signs whole messages. */
export const MAX_SIGNED = 64 * 1024;

/** How a token is opened. */
export interface TokenAccess {
  readonly token: TokenSelector;
  readonly pin: Uint8Array | undefined;
  /** Whether the PIN is tried although somebody's last one was wrong: where a person asked for it, or where it was right before. */
  readonly isSure: boolean;
  /** Signatures at a time, at most. */
  readonly sessions: number;
  /** For making keys. */
  readonly isForWriting?: boolean;
}

/** A token with a user who is logged in. */
export class Token {
  readonly #cryptoki: Cryptoki;
  readonly #slot: bigint;
  /** Only what a key needs that wants it for each signature. */
  readonly #pin: Uint8Array | undefined;
  /** The session that logged in: when the last one is closed, the login ends. */
  readonly #session: bigint;
  readonly #pool: SessionPool;
  readonly #keys: FoundKey[] = [];
  readonly info: TokenInfo;

  private constructor(
    cryptoki: Cryptoki,
    slot: bigint,
    session: bigint,
    info: TokenInfo,
    access: TokenAccess,
  ) {
    this.#cryptoki = cryptoki;
    this.#slot = slot;
    this.#session = session;
    this.info = info;
    this.#pin = access.pin;
    this.#pool = new SessionPool(cryptoki, slot, { most: access.sessions, dataSize: MAX_SIGNED });
  }

  /** Finds the one token that is as `access` says and logs in. Throws {@link Pkcs11Error}. */
  static open(cryptoki: Cryptoki, access: TokenAccess): Token {
    return naming(() => {
      const { slot, info } = fitting(slotsOf(cryptoki), access.token);
      const session = cryptoki.openSession(slot, access.isForWriting);
      login(cryptoki, session, info, access);
      return new Token(cryptoki, slot, session, info, access);
    });
  }

  /** The private keys that are as `selector` says, as far as they can be described. */
  keys(selector: KeySelector): readonly FoundKey[] {
    return naming(() => findKeys(this.#cryptoki, this.#session, selector));
  }

  /** Makes the one key that is as `selector` says usable. Returns its number for {@link sign}. Throws {@link Pkcs11Error}. */
  take(selector: KeySelector): { readonly number: number; readonly key: FoundKey } {
    const key = theKey(this.keys(selector), () => this.keys({}), tokenName(this.info));
    const mechanism = MECHANISMS.get(key.keyType ?? -1n);
    const flags =
      mechanism === undefined
        ? undefined
        : naming(() => this.#cryptoki.mechanismFlags(this.#slot, mechanism));
    if (key.spki === undefined || mechanism === undefined || flags === undefined || !key.maySign)
      throw unusable(key, mechanism !== undefined && flags === undefined);
    return { number: this.#keys.push(key) - 1, key };
  }

  /** The signature of a key that was taken, as the token makes it: r‖s for ECDSA. Rejects with {@link Pkcs11Error}. */
  async sign(number: number, data: Uint8Array): Promise<Uint8Array> {
    const key = this.#keys[number];
    if (key === undefined || data.length > MAX_SIGNED)
      throw new Pkcs11Error('PKCS11_PROCESS', 'the process was asked for what it cannot do');
    try {
      return await this.#pool.using(({ session, room }) => {
        const operation = { session, key: key.handle, mechanism: MECHANISMS.get(key.keyType ?? -1n) ?? 0n };
        return this.#cryptoki.sign(operation, data, room, () => {
          if (key.isLoginEachTime) this.#cryptoki.login(session, ONE_SIGNATURE, this.#pin);
        });
      });
    } catch (error) {
      throw inWords(error);
    }
  }

  /** Makes a key pair. Throws {@link Pkcs11Error}. */
  make(make: (cryptoki: Cryptoki, session: bigint) => void): void {
    naming(() => {
      make(this.#cryptoki, this.#session);
    });
  }
}

function login(cryptoki: Cryptoki, session: bigint, { flags, label }: TokenInfo, access: TokenAccess): void {
  if ((flags & CKF.loginRequired) === 0n) return;
  const name = `the token "${printable(label)}"`;
  const hasOwnEntry = (flags & CKF.ownPinEntry) !== 0n;
  if (access.pin === undefined && !hasOwnEntry)
    throw new Pkcs11Error('PKCS11_PIN_MISSING', `${name} wants a PIN`, {
      hint: 'Name the file that has it: pin-source=/etc/mayfly/pin',
    });
  if ((flags & CKF.pinLocked) !== 0n) throw locked(name);
  if ((flags & CKF.pinFinalTry) !== 0n && access.pin !== undefined)
    throw withheld(
      `${name} would lock at another wrong PIN, and so is not asked`,
      'Log in with a tool of its maker: that resets the count.',
    );
  if ((flags & CKF.pinCountLow) !== 0n && !access.isSure)
    throw withheld(
      `the last PIN that ${name} was shown was wrong, and so it is shown no other without a person who is sure of it`,
      'Run `mayfly keys check` with this URI on a terminal: a login that succeeds resets the count.',
    );
  try {
    cryptoki.login(session, USER, access.pin);
  } catch (error) {
    if (!(error instanceof CryptokiError)) throw error;
    if (error.value !== CKR.userAlreadyLoggedIn) throw loginFault(error, name);
  }
  // Without a login a search finds nothing, and says nothing of it.
  if (!LOGGED_IN.has(cryptoki.sessionState(session)))
    throw new Pkcs11Error('PKCS11_TOKEN_FAILED', `${name} says that nobody is logged in, just after a login`);
}

function loginFault({ value, message }: CryptokiError, name: string): Error {
  switch (value) {
    case CKR.pinLocked:
      return locked(name);
    case CKR.pinIncorrect:
    case CKR.pinInvalid:
    case CKR.pinLenRange:
    case CKR.pinExpired:
      return refusedPin(
        `${name} refuses the PIN (${message}); it is not tried again`,
        'Correct the PIN where pin-source says: it is tried once when it has changed.',
      );
    default:
      return new CryptokiError('C_Login', value);
  }
}

const refusedPin = (message: string, hint: string): Pkcs11Error =>
  new Pkcs11Error('PKCS11_PIN_REFUSED', message, { hint });

const withheld = (message: string, hint: string): Pkcs11Error =>
  new Pkcs11Error('PKCS11_PIN_WITHHELD', message, { hint });

const locked = (name: string): Pkcs11Error =>
  withheld(
    `${name} has locked its PIN after too many wrong ones`,
    'Its security officer (SO PIN) sets a new one, with a tool of its maker.',
  );

/** The one of `found`. `all` returns what the token has besides; it takes its time, and is called where there is none. */
function theKey(found: readonly FoundKey[], all: () => readonly FoundKey[], token: string): FoundKey {
  const [key, ...others] = found;
  if (key !== undefined && others.length === 0) return key;
  const shown = (key === undefined ? all() : found).slice(0, 20).map(keyName).join(', ');
  const [message, hint] =
    key === undefined
      ? [`the token ${token} has no private key of this object and id`, `It has ${shown || 'none'}.`]
      : [
          `the token ${token} has ${found.length} private keys as the URI says`,
          `Add id=… or object=… of one: ${shown}.`,
        ];
  throw new Pkcs11Error('PKCS11_KEY_ABSENT', message, { hint });
}

/** A key as its URI would name it. */
const keyName = ({ label, id }: FoundKey): string =>
  [
    ...(label === '' ? [] : [`object=${encodeURIComponent(label)}`]),
    ...(id.length === 0 ? [] : [`id=${Buffer.from(id).toString('hex').replace(/../g, '%$&')}`]),
  ].join(';') || 'one without label and id';

function unusable(key: FoundKey, lacksMechanism: boolean): Pkcs11Error {
  const [what, hint] = lacksMechanism
    ? [
        'is of a kind for which the token has no mechanism',
        'Asked for: CKM_ECDSA, CKM_RSA_PKCS or CKM_EDDSA.',
      ]
    : !key.maySign
      ? ['may not sign (CKA_SIGN is false)', 'Make a key for signing, or allow it with a tool of the maker.']
      : [
          key.fault ?? 'has no public half in the token',
          'Import the public key, or the certificate, with the same id as the private key.',
        ];
  return new Pkcs11Error('PKCS11_KEY_UNUSABLE', `the key ${keyName(key)} ${what}`, { hint });
}

/** Runs `work` and says what a module's error means. */
function naming<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw inWords(error);
  }
}

/** A module's error in words; any other as it is. */
export function inWords(error: unknown): unknown {
  if (error instanceof FormatError)
    return new Pkcs11Error('PKCS11_KEY_UNUSABLE', `the token's key: ${error.message}`, { hint: error.hint });
  if (!(error instanceof CryptokiError)) return error;
  const [reason, hint] = MEANINGS.get(error.value) ?? (isOfTheKey(error.value) ? OF_KEY : OF_TOKEN);
  return new Pkcs11Error(reason, error.message, { hint });
}

type Meaning = readonly [reason: Pkcs11Reason, hint: string];

const OF_KEY: Meaning = [
  'PKCS11_KEY_UNUSABLE',
  'The key or its token does not sign in this way: `mayfly keys check` with its URI says what it can.',
];
const OF_TOKEN: Meaning = [
  'PKCS11_TOKEN_FAILED',
  'Is the token plugged in, and what it is reached by running? It is asked again by a new process.',
];
const MEANINGS: ReadonlyMap<bigint, Meaning> = new Map<bigint, Meaning>([
  [
    CKR.sessionCount,
    ['PKCS11_TOKEN_FAILED', 'The token has no session left: end other programs that hold some.'],
  ],
  [CKR.tokenNotPresent, ['PKCS11_TOKEN_FAILED', 'Plug the token in.']],
]);
