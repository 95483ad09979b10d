/**
 * The functions of one PKCS#11 module (OASIS PKCS#11 2.40, with the Edwards curves of 3.0), as far as signing needs them. To be used in a process of
 * its own only: a module may not return, and a wrong one ends the process.
 */
import { CKR, CryptokiError } from './return-values.ts';
import { NativeMemory, wordSize, type Koffi, type NativeFunction } from './native-memory.ts';

/** Position in CK_FUNCTION_LIST, and the parameters: a word, a pointer, a byte. */
const FUNCTIONS = {
  C_Initialize: [0, 'p'],
  C_Finalize: [1, 'p'],
  C_GetInfo: [2, 'p'],
  C_GetSlotList: [4, 'bpp'],
  C_GetSlotInfo: [5, 'wp'],
  C_GetTokenInfo: [6, 'wp'],
  C_GetMechanismInfo: [8, 'wwp'],
  C_OpenSession: [12, 'wwppp'],
  C_CloseSession: [13, 'w'],
  C_GetSessionInfo: [15, 'wp'],
  C_Login: [18, 'wwpw'],
  C_GetAttributeValue: [24, 'wwpw'],
  C_FindObjectsInit: [26, 'wpw'],
  C_FindObjects: [27, 'wpwp'],
  C_FindObjectsFinal: [28, 'w'],
  C_SignInit: [42, 'wpw'],
  C_Sign: [43, 'wpwpp'],
  C_GenerateKeyPair: [59, 'wppwpwpp'],
} as const;
type FunctionName = keyof typeof FUNCTIONS;

const PARAMETERS: Readonly<Record<string, string>> = { w: 'ulong', p: 'void *', b: 'uint8' };

/** An attribute that a template asks for or sets: bytes, a truth value (CK_BBOOL) or a number (CK_ULONG). */
export type Attribute = readonly [type: bigint, value: Uint8Array | boolean | bigint];

/** CK_INFO. Texts are without the blanks at their end. */
export interface LibraryInfo {
  readonly manufacturer: string;
  readonly description: string;
  readonly version: readonly [major: number, minor: number];
}

/** CK_SLOT_INFO. */
export interface SlotInfo {
  readonly description: string;
  readonly manufacturer: string;
  readonly flags: bigint;
}

/** CK_TOKEN_INFO. */
export interface TokenInfo {
  readonly label: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
  readonly flags: bigint;
  /** Zero: no limit. */
  readonly maxSessions: bigint;
}

/** Where {@link Cryptoki.sign} has what a session's signatures need: one signature at a time. */
export interface SignatureRoom {
  readonly data: NativeMemory;
  readonly mechanism: NativeMemory;
  readonly signature: NativeMemory;
  readonly length: NativeMemory;
}

/** Bytes: beyond every RSA signature. */
const MAX_SIGNATURE = 4_096;
/** Bytes of the value of an attribute: a certificate is the largest. */
const MAX_ATTRIBUTE = 32 * 1024;
/** Slots and objects that are looked at. */
const MAX_SLOTS = 64;
const MAX_OBJECTS = 256;

/** CK_C_INITIALIZE_ARGS: threads lock by the means of the system. */
const CKF_OS_LOCKING_OK = 2n;
const CKF_SERIAL_SESSION = 4n;
const CKF_RW_SESSION = 2n;

/** A module that is loaded. Functions throw {@link CryptokiError} for what is not CKR_OK. */
export class Cryptoki {
  readonly #koffi: Koffi;
  readonly #word: number;
  readonly #functions: Readonly<Record<FunctionName, NativeFunction>>;
  /** Koffi unloads a library that nothing refers to, and does not know of the functions that {@link #functions} were found by. */
  readonly library: unknown;

  /** Loads the library at `path`; throws what the system's loader says. */
  constructor(koffi: Koffi, path: string) {
    this.#koffi = koffi;
    this.#word = wordSize(koffi);
    // Modules bring another OpenSSL than the one that Node has in itself under the same names: theirs go first for them.
    const library = koffi.load(path, { deep: true });
    this.library = library;
    const getList = library.func('C_GetFunctionList', 'ulong', ['void *']);
    const place = new NativeMemory(koffi, this.#word);
    checked('C_GetFunctionList', getList(place.address));
    this.#functions = this.#functionsAt(place.word());
    place.free();
  }

  /** Starts the module. Returns whether its functions may be called from several threads at once. */
  initialize(): boolean {
    const args = this.#memory(6 * this.#word);
    args.setWord(4 * this.#word, CKF_OS_LOCKING_OK);
    const value = BigInt(this.#functions.C_Initialize(args.address));
    args.free();
    if (value === CKR.ok || value === CKR.alreadyInitialized) return true;
    if (value !== CKR.cantLock && value !== CKR.needToCreateThreads && value !== CKR.argumentsBad)
      throw new CryptokiError('C_Initialize', value);
    this.#call('C_Initialize', null);
    return false;
  }

  finalize(): void {
    this.#call('C_Finalize', null);
  }

  info(): LibraryInfo {
    return this.#struct(3 * this.#word + 72, 'C_GetInfo', [], (memory) => {
      const flagsAt = this.#aligned(34);
      const descriptionAt = flagsAt + this.#word;
      const [major = 0, minor = 0] = memory.bytes.subarray(descriptionAt + 32, descriptionAt + 34);
      return {
        manufacturer: padded(memory, 2, 32),
        description: padded(memory, descriptionAt, 32),
        version: [major, minor],
      };
    });
  }

  /** The ids of all slots, with a token or without one. */
  slots(): readonly bigint[] {
    const list = this.#memory(MAX_SLOTS * this.#word);
    const count = this.#memory(this.#word);
    try {
      count.setWord(0, BigInt(MAX_SLOTS));
      this.#call('C_GetSlotList', 0, list.address, count.address);
      return this.#words(list, count);
    } finally {
      list.free();
      count.free();
    }
  }

  slotInfo(slot: bigint): SlotInfo {
    return this.#struct(96 + 2 * this.#word, 'C_GetSlotInfo', [slot], (memory) => ({
      description: padded(memory, 0, 64),
      manufacturer: padded(memory, 64, 32),
      flags: memory.word(96),
    }));
  }

  tokenInfo(slot: bigint): TokenInfo {
    return this.#struct(96 + 11 * this.#word + 32, 'C_GetTokenInfo', [slot], (memory) => ({
      label: padded(memory, 0, 32),
      manufacturer: padded(memory, 32, 32),
      model: padded(memory, 64, 16),
      serial: padded(memory, 80, 16),
      flags: memory.word(96),
      maxSessions: memory.word(96 + this.#word),
    }));
  }

  /** CK_MECHANISM_INFO's flags; undefined where the token does not have the mechanism. */
  mechanismFlags(slot: bigint, mechanism: bigint): bigint | undefined {
    try {
      return this.#struct(3 * this.#word, 'C_GetMechanismInfo', [slot, mechanism], (memory) =>
        memory.word(2 * this.#word),
      );
    } catch (error) {
      if (error instanceof CryptokiError && error.value === CKR.mechanismInvalid) return undefined;
      throw error;
    }
  }

  openSession(slot: bigint, isForWriting = false): bigint {
    const handle = this.#memory(this.#word);
    try {
      const flags = CKF_SERIAL_SESSION | (isForWriting ? CKF_RW_SESSION : 0n);
      this.#call('C_OpenSession', slot, flags, null, null, handle.address);
      return handle.word();
    } finally {
      handle.free();
    }
  }

  /** CK_SESSION_INFO's state: 1 and 3 are those of a user who is logged in. */
  sessionState(session: bigint): bigint {
    return this.#struct(4 * this.#word, 'C_GetSessionInfo', [session], (memory) => memory.word(this.#word));
  }

  /** `user`: 1 is the normal user, 2 one signature of a key that wants a login for each. Without `pin` the token asks by its own means. */
  login(session: bigint, user: 1n | 2n, pin: Uint8Array | undefined): void {
    if (pin === undefined) {
      this.#call('C_Login', session, user, null, 0);
      return;
    }
    const memory = this.#memory(pin.length);
    try {
      memory.bytes.set(pin);
      this.#call('C_Login', session, user, memory.address, pin.length);
    } finally {
      memory.free();
    }
  }

  /** The objects that have all of these attributes. */
  find(session: bigint, attributes: readonly Attribute[]): readonly bigint[] {
    const template = new Template(this.#koffi, attributes);
    const list = this.#memory(MAX_OBJECTS * this.#word);
    const count = this.#memory(this.#word);
    try {
      this.#call('C_FindObjectsInit', session, template.address, template.count);
      const found: bigint[] = [];
      try {
        for (;;) {
          this.#call('C_FindObjects', session, list.address, MAX_OBJECTS, count.address);
          const some = this.#words(list, count);
          found.push(...some);
          if (some.length === 0 || found.length >= MAX_OBJECTS) return found.slice(0, MAX_OBJECTS);
        }
      } finally {
        this.#call('C_FindObjectsFinal', session);
      }
    } finally {
      for (const memory of [template, list, count]) memory.free();
    }
  }

  /** The value of an attribute; undefined where the object has none, or keeps it to itself. */
  attribute(session: bigint, object: bigint, type: bigint): Uint8Array | undefined {
    const value = this.#memory(MAX_ATTRIBUTE);
    const template = this.#memory(3 * this.#word);
    try {
      template.setWord(0, type);
      template.setWord(this.#word, value.address);
      template.setWord(2 * this.#word, BigInt(MAX_ATTRIBUTE));
      this.#call('C_GetAttributeValue', session, object, template.address, 1);
      const length = template.word(2 * this.#word);
      // CK_UNAVAILABLE_INFORMATION is the largest word.
      return length > MAX_ATTRIBUTE ? undefined : Uint8Array.from(value.bytes.subarray(0, Number(length)));
    } catch (error) {
      const isLacking =
        error instanceof CryptokiError &&
        [CKR.attributeSensitive, CKR.attributeTypeInvalid, CKR.bufferTooSmall].some(
          (one) => one === error.value,
        );
      if (isLacking) return undefined;
      throw error;
    } finally {
      value.free();
      template.free();
    }
  }

  /** The value of an attribute that is a number (CK_ULONG). */
  number(session: bigint, object: bigint, type: bigint): bigint | undefined {
    const value = this.attribute(session, object, type);
    if (value?.length !== this.#word) return undefined;
    return BigInt(`0x${Buffer.from(value).reverse().toString('hex')}`);
  }

  /** What one session signs with, for data up to `size` bytes. */
  signatureRoom(size: number): SignatureRoom {
    return {
      data: this.#memory(size),
      mechanism: this.#memory(3 * this.#word),
      signature: this.#memory(MAX_SIGNATURE),
      length: this.#memory(this.#word),
    };
  }

  /** Signs in a thread. `afterInit` is called between the start of the operation and the signature. */
  async sign(
    {
      session,
      key,
      mechanism,
    }: { readonly session: bigint; readonly key: bigint; readonly mechanism: bigint },
    data: Uint8Array,
    room: SignatureRoom,
    afterInit: () => void,
  ): Promise<Uint8Array> {
    room.data.bytes.set(data);
    room.mechanism.setWord(0, mechanism);
    await this.#callApart('C_SignInit', session, room.mechanism.address, key);
    afterInit();
    room.length.setWord(0, BigInt(MAX_SIGNATURE));
    const { signature, length } = room;
    await this.#callApart(
      'C_Sign',
      session,
      room.data.address,
      data.length,
      signature.address,
      length.address,
    );
    const size = length.word();
    if (size > MAX_SIGNATURE) throw new CryptokiError('C_Sign', CKR.bufferTooSmall);
    return Uint8Array.from(signature.bytes.subarray(0, Number(size)));
  }

  /** Makes a key pair in the token. Returns the private key. */
  generateKeyPair(
    session: bigint,
    mechanism: bigint,
    publicKey: readonly Attribute[],
    privateKey: readonly Attribute[],
  ): bigint {
    const templates = [new Template(this.#koffi, publicKey), new Template(this.#koffi, privateKey)] as const;
    const [forPublic, forPrivate] = templates;
    const how = this.#memory(3 * this.#word);
    const handles = this.#memory(2 * this.#word);
    try {
      how.setWord(0, mechanism);
      const second = handles.address + BigInt(this.#word);
      this.#call(
        ...(['C_GenerateKeyPair', session, how.address, forPublic.address, forPublic.count] as const),
        ...[forPrivate.address, forPrivate.count, handles.address, second],
      );
      return handles.word(this.#word);
    } finally {
      for (const memory of [...templates, how, handles]) memory.free();
    }
  }

  #functionsAt(list: bigint): Readonly<Record<FunctionName, NativeFunction>> {
    const functions = Object.entries(FUNCTIONS).map(([name, [position, parameters]]) => {
      // A version of two bytes goes before the first pointer.
      const at = list + BigInt(this.#word * (1 + position));
      const address = this.#koffi.decode(at, 'void *') as bigint;
      const words = Array.from(parameters, (letter) => PARAMETERS[letter] ?? '');
      return [name, this.#koffi.decode(address, this.#koffi.proto('ulong', words))] as const;
    });
    return Object.fromEntries(functions) as Record<FunctionName, NativeFunction>;
  }

  #call(name: FunctionName, ...args: readonly unknown[]): void {
    checked(name, this.#functions[name](...args));
  }

  #callApart(name: FunctionName, ...args: readonly unknown[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#functions[name].async(...args, (error: Error | null, value: number | bigint) => {
        if (error !== null) reject(error);
        else if (BigInt(value) === CKR.ok) resolve();
        else reject(new CryptokiError(name, BigInt(value)));
      });
    });
  }

  /** What `read` makes of the struct that a function fills. */
  #struct<T>(
    size: number,
    name: FunctionName,
    args: readonly unknown[],
    read: (memory: NativeMemory) => T,
  ): T {
    const memory = this.#memory(size);
    try {
      this.#call(name, ...args, memory.address);
      return read(memory);
    } finally {
      memory.free();
    }
  }

  #words(list: NativeMemory, count: NativeMemory): bigint[] {
    const most = list.bytes.length / this.#word;
    const length = Math.min(Number(count.word()), most);
    return Array.from({ length }, (_, i) => list.word(i * this.#word));
  }

  #aligned(offset: number): number {
    return Math.ceil(offset / this.#word) * this.#word;
  }

  #memory(length: number): NativeMemory {
    return new NativeMemory(this.#koffi, length);
  }
}

/** An array of CK_ATTRIBUTE with its values. */
class Template {
  readonly count: number;
  readonly #attributes: NativeMemory;
  readonly #values: readonly NativeMemory[];

  constructor(koffi: Koffi, attributes: readonly Attribute[]) {
    const word = wordSize(koffi);
    this.count = attributes.length;
    this.#attributes = new NativeMemory(koffi, attributes.length * 3 * word);
    this.#values = attributes.map(([type, value], i) => {
      const memory = valueIn(koffi, value);
      this.#attributes.setWord(i * 3 * word, type);
      this.#attributes.setWord((i * 3 + 1) * word, memory.address);
      this.#attributes.setWord(
        (i * 3 + 2) * word,
        BigInt(value instanceof Uint8Array ? value.length : memory.bytes.length),
      );
      return memory;
    });
  }

  get address(): bigint {
    return this.#attributes.address;
  }

  free(): void {
    for (const memory of [this.#attributes, ...this.#values]) memory.free();
  }
}

function valueIn(koffi: Koffi, value: Attribute[1]): NativeMemory {
  if (value instanceof Uint8Array) {
    const memory = new NativeMemory(koffi, value.length);
    memory.bytes.set(value);
    return memory;
  }
  const memory = new NativeMemory(koffi, typeof value === 'boolean' ? 1 : wordSize(koffi));
  if (typeof value === 'boolean') memory.bytes[0] = value ? 1 : 0;
  else memory.setWord(0, value);
  return memory;
}

function checked(call: string, value: number | bigint): void {
  if (BigInt(value) !== CKR.ok) throw new CryptokiError(call, BigInt(value));
}

/** A text that is filled up with blanks; some modules fill it up with NUL. */
function padded({ bytes }: NativeMemory, start: number, length: number): string {
  let end = start + length;
  while (end > start && (bytes[end - 1] === 0x20 || bytes[end - 1] === 0)) end--;
  return bytes.toString('utf8', start, end);
}
