/**
 * The process that calls one PKCS#11 module, as `start-token-process.ts` starts it: it answers the requests that arrive at its file descriptor 3, and ends with
 * that. A module may hang, or end the process: the service notices, and starts another.
 */
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { toBase64, fromBase64 } from '../../core/bytes.ts';
import { messageOf } from '../../core/errors.ts';
import type { Cryptoki } from './cryptoki.ts';
import { KOFFI_PACKAGE } from './koffi-package.ts';
import { loadModule } from './module-file.ts';
import type { Koffi } from './native-memory.ts';
import { Pkcs11Error } from './pkcs11-error.ts';
import { inWords, Token } from './token.ts';
import { makeKeyPair } from './token-key-kinds.ts';
import type { FoundKey } from './token-keys.ts';
import {
  arrivedSelector,
  FrameReader,
  frameOf,
  type SentFault,
  type ShownModule,
  type TokenRequest,
} from './token-messages.ts';
import { shownSlots } from './shown-slots.ts';

/** Bytes for what a module puts on its stack in a thread: Koffi's default is too little for some. */
const STACK = 1024 * 1024;

/** Linux's `prctl(PR_SET_PDEATHSIG, SIGKILL)`. */
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

class TokenService {
  #koffi: Koffi | undefined;
  #cryptoki: Cryptoki | undefined;
  #isSideBySide = false;
  #token: Token | undefined;

  async answer(request: TokenRequest): Promise<unknown> {
    switch (request.ask) {
      case 'load':
        this.#load(request.module);
        return null;
      case 'slots':
        return shownSlots(this.#module()) satisfies ShownModule;
      case 'open':
        this.#open(request);
        return null;
      case 'keys':
        return this.#opened().keys(arrivedSelector(request.key)).map(sentKey);
      case 'take': {
        const { number, key } = this.#opened().take(arrivedSelector(request.key));
        return { number, key: sentKey(key) };
      }
      case 'sign':
        return toBase64(await this.#opened().sign(request.number, fromBase64(request.data)));
      case 'make': {
        const { kind, label, id } = request;
        this.#opened().make((cryptoki, session) => {
          makeKeyPair(cryptoki, session, { kind, label, id: fromBase64(id) });
        });
        return null;
      }
    }
  }

  /** Ends what the module began, as far as it lets that be done. */
  end(): void {
    this.#cryptoki?.finalize();
  }

  #load(file: string): void {
    this.#koffi ??= koffi();
    endWithParent(this.#koffi);
    const cryptoki = loadModule(this.#koffi, file);
    try {
      this.#isSideBySide = cryptoki.initialize();
    } catch (error) {
      throw new Pkcs11Error('PKCS11_TOKEN_FAILED', `the module ${file} does not start: ${messageOf(error)}`, {
        hint: 'Does it find its own settings? Many are named by a variable of the environment (SOFTHSM2_CONF, YUBIHSM_PKCS11_CONF), which the service must have, too.',
      });
    }
    this.#cryptoki = cryptoki;
  }

  #open(request: TokenRequest & { ask: 'open' }): void {
    const { token, pin, isSure, sessions, isForWriting } = request;
    this.#token = Token.open(this.#module(), {
      token,
      pin: pin === null ? undefined : Buffer.from(pin),
      isSure,
      sessions: this.#isSideBySide ? sessions : 1,
      isForWriting,
    });
  }

  #module(): Cryptoki {
    if (this.#cryptoki === undefined) throw outOfOrder();
    return this.#cryptoki;
  }

  #opened(): Token {
    if (this.#token === undefined) throw outOfOrder();
    return this.#token;
  }
}

const outOfOrder = (): Pkcs11Error =>
  new Pkcs11Error('PKCS11_PROCESS', 'the process was asked for something before what comes first');

/** Not by `import`: this way NODE_PATH may say where the package is. */
function koffi(): Koffi {
  try {
    const loaded = createRequire(import.meta.url)('koffi') as Koffi;
    loaded.config({ async_stack_size: STACK });
    return loaded;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
    throw new Pkcs11Error(
      'PKCS11_PACKAGE_MISSING',
      isMissing
        ? `${KOFFI_PACKAGE} is not installed, by which keys in PKCS#11 tokens are used`
        : `${KOFFI_PACKAGE} does not load here: ${messageOf(error)}`,
      { hint: `Install it beside Mayfly: npm install --save-exact --ignore-scripts ${KOFFI_PACKAGE}` },
    );
  }
}

/** Nobody would end a process that hangs in its module once the service is gone. */
function endWithParent(native: Koffi): void {
  if (process.platform !== 'linux') return;
  try {
    native.load(null).func('prctl', 'int', ['int', 'ulong', 'ulong', 'ulong', 'ulong'])(
      PR_SET_PDEATHSIG,
      SIGKILL,
      0,
      0,
      0,
    );
  } catch {
    // It ends with its connection, unless it hangs.
  }
}

const sentKey = ({ label, id, maySign, isExtractable, isLoginEachTime, spki, fault }: FoundKey): unknown => ({
  label,
  id: toBase64(id),
  maySign,
  isExtractable,
  isLoginEachTime,
  spki: spki === undefined ? undefined : toBase64(spki),
  fault,
});

/** Characters of a text about a fault. */
const MAX_FAULT = 4_000;

function sentFault(error: unknown): SentFault {
  const known = inWords(error);
  const { reason, message, hint }: SentFault =
    known instanceof Pkcs11Error
      ? { reason: known.code, message: known.message, hint: known.hint }
      : {
          reason: 'PKCS11_PROCESS',
          message: `the process that calls the module failed: ${messageOf(error)}`,
          hint: undefined,
        };
  return { reason, message: message.slice(0, MAX_FAULT), hint: hint?.slice(0, MAX_FAULT) };
}

// A Ctrl-C, and a service manager, reach every process of the service. They let the service end in order, and this one with it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

const service = new TokenService();
const reader = new FrameReader();
const connection = new Socket({ fd: 3 });
connection.on('data', (chunk: Buffer) => {
  for (const value of reader.push(chunk)) {
    const { number, request } = value as { number: number; request: TokenRequest };
    void service.answer(request).then(
      (answer) => connection.write(frameOf({ of: number, answer })),
      (error: unknown) => connection.write(frameOf({ of: number, fault: sentFault(error) })),
    );
  }
});
connection.on('error', () => process.exit(0));
connection.on('end', () => {
  // Sessions and logins of some modules outlive the process.
  try {
    service.end();
  } finally {
    process.exit(0);
  }
});
