/** What the functions of PKCS#11 return (CK_RV), by name, and what it means for who called. */

/** The values that this program acts upon. */
export const CKR = {
  ok: 0x0n,
  generalError: 0x5n,
  argumentsBad: 0x7n,
  needToCreateThreads: 0x9n,
  cantLock: 0xan,
  attributeSensitive: 0x11n,
  attributeTypeInvalid: 0x12n,
  keyHandleInvalid: 0x60n,
  keyFunctionNotPermitted: 0x68n,
  mechanismInvalid: 0x70n,
  pinIncorrect: 0xa0n,
  pinInvalid: 0xa1n,
  pinLenRange: 0xa2n,
  pinExpired: 0xa3n,
  pinLocked: 0xa4n,
  sessionCount: 0xb1n,
  tokenNotPresent: 0xe0n,
  tokenNotRecognized: 0xe1n,
  userAlreadyLoggedIn: 0x100n,
  bufferTooSmall: 0x150n,
  alreadyInitialized: 0x191n,
} as const;

/** Name by value, of those that a module may well return here. */
const NAMES: ReadonlyMap<bigint, string> = new Map([
  [0x0n, 'OK'],
  [0x2n, 'HOST_MEMORY'],
  [0x3n, 'SLOT_ID_INVALID'],
  [0x5n, 'GENERAL_ERROR'],
  [0x6n, 'FUNCTION_FAILED'],
  [0x7n, 'ARGUMENTS_BAD'],
  [0x9n, 'NEED_TO_CREATE_THREADS'],
  [0xan, 'CANT_LOCK'],
  [0x10n, 'ATTRIBUTE_READ_ONLY'],
  [0x11n, 'ATTRIBUTE_SENSITIVE'],
  [0x12n, 'ATTRIBUTE_TYPE_INVALID'],
  [0x13n, 'ATTRIBUTE_VALUE_INVALID'],
  [0x1bn, 'ACTION_PROHIBITED'],
  [0x20n, 'DATA_INVALID'],
  [0x21n, 'DATA_LEN_RANGE'],
  [0x30n, 'DEVICE_ERROR'],
  [0x31n, 'DEVICE_MEMORY'],
  [0x32n, 'DEVICE_REMOVED'],
  [0x50n, 'FUNCTION_CANCELED'],
  [0x54n, 'FUNCTION_NOT_SUPPORTED'],
  [0x60n, 'KEY_HANDLE_INVALID'],
  [0x62n, 'KEY_SIZE_RANGE'],
  [0x63n, 'KEY_TYPE_INCONSISTENT'],
  [0x68n, 'KEY_FUNCTION_NOT_PERMITTED'],
  [0x70n, 'MECHANISM_INVALID'],
  [0x71n, 'MECHANISM_PARAM_INVALID'],
  [0x82n, 'OBJECT_HANDLE_INVALID'],
  [0x90n, 'OPERATION_ACTIVE'],
  [0x91n, 'OPERATION_NOT_INITIALIZED'],
  [0xa0n, 'PIN_INCORRECT'],
  [0xa1n, 'PIN_INVALID'],
  [0xa2n, 'PIN_LEN_RANGE'],
  [0xa3n, 'PIN_EXPIRED'],
  [0xa4n, 'PIN_LOCKED'],
  [0xb0n, 'SESSION_CLOSED'],
  [0xb1n, 'SESSION_COUNT'],
  [0xb3n, 'SESSION_HANDLE_INVALID'],
  [0xb4n, 'SESSION_PARALLEL_NOT_SUPPORTED'],
  [0xb5n, 'SESSION_READ_ONLY'],
  [0xb6n, 'SESSION_EXISTS'],
  [0xb8n, 'SESSION_READ_WRITE_SO_EXISTS'],
  [0xd0n, 'TEMPLATE_INCOMPLETE'],
  [0xd1n, 'TEMPLATE_INCONSISTENT'],
  [0xe0n, 'TOKEN_NOT_PRESENT'],
  [0xe1n, 'TOKEN_NOT_RECOGNIZED'],
  [0xe2n, 'TOKEN_WRITE_PROTECTED'],
  [0x100n, 'USER_ALREADY_LOGGED_IN'],
  [0x101n, 'USER_NOT_LOGGED_IN'],
  [0x102n, 'USER_PIN_NOT_INITIALIZED'],
  [0x103n, 'USER_TYPE_INVALID'],
  [0x104n, 'USER_ANOTHER_ALREADY_LOGGED_IN'],
  [0x105n, 'USER_TOO_MANY_TYPES'],
  [0x130n, 'DOMAIN_PARAMS_INVALID'],
  [0x140n, 'CURVE_NOT_SUPPORTED'],
  [0x150n, 'BUFFER_TOO_SMALL'],
  [0x190n, 'CRYPTOKI_NOT_INITIALIZED'],
  [0x191n, 'CRYPTOKI_ALREADY_INITIALIZED'],
  [0x200n, 'FUNCTION_REJECTED'],
]);

/** `CKR_NAME` of a value; in hexadecimal where it has none here, as those of the makers. */
export function returnValueName(value: bigint): string {
  const name = NAMES.get(value);
  return name === undefined ? `0x${value.toString(16)}` : `CKR_${name}`;
}

/** What the key or the request is at fault for, whatever process asks: a new one would be answered the same. Anything else is of
 * the token, the session or the module, and a new process has it as at its first start. */
const OF_THE_KEY: ReadonlySet<bigint> = new Set([
  ...[0x20n, 0x21n, 0x54n, 0x62n, 0x63n, 0x68n, 0x70n, 0x71n, 0x1bn, 0x130n, 0x140n],
]);

/** Whether a signature with this key would be refused again by a new process. */
export const isOfTheKey = (value: bigint): boolean => OF_THE_KEY.has(value);

/** A function of the module that returned something else than CKR_OK. */
export class CryptokiError extends Error {
  /** `C_…` */
  readonly call: string;
  readonly value: bigint;

  constructor(call: string, value: bigint) {
    super(`${call} returned ${returnValueName(value)}`);
    this.name = 'CryptokiError';
    this.call = call;
    this.value = value;
  }
}
