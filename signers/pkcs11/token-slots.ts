/** The slots of a module and the tokens in them: what there is, and which one a URI means. */
import { printable } from '../../core/printable.ts';
import type { Cryptoki, LibraryInfo, SlotInfo, TokenInfo } from './cryptoki.ts';
import { Pkcs11Error } from './pkcs11-error.ts';
import type { TokenSelector } from '../pkcs11-uri.ts';
import { CryptokiError } from './return-values.ts';

/** A slot, as the module describes it. */
export interface FoundSlot {
  readonly slot: bigint;
  readonly info: SlotInfo;
  /** Undefined where no token is in it. */
  readonly token: TokenInfo | undefined;
  /** What the module returned instead of saying what token is in it. */
  readonly fault?: string;
}

/** All slots of a module. */
export interface FoundSlots {
  readonly library: LibraryInfo;
  readonly slots: readonly FoundSlot[];
}

const CKF_TOKEN_PRESENT = 0x1n;
const CKF_TOKEN_INITIALIZED = 0x400n;

/** Whether somebody has set the token up: SoftHSM always has one slot more, for the next. */
export const isInitialized = ({ flags }: TokenInfo): boolean => (flags & CKF_TOKEN_INITIALIZED) !== 0n;

/** What a module has. Throws {@link CryptokiError}; not for a token that cannot be described. */
export const slotsOf = (cryptoki: Cryptoki): FoundSlots => ({
  library: cryptoki.info(),
  slots: cryptoki.slots().map((slot) => describe(cryptoki, slot)),
});

function describe(cryptoki: Cryptoki, slot: bigint): FoundSlot {
  const info = cryptoki.slotInfo(slot);
  if ((info.flags & CKF_TOKEN_PRESENT) === 0n) return { slot, info, token: undefined };
  try {
    return { slot, info, token: cryptoki.tokenInfo(slot) };
  } catch (error) {
    if (!(error instanceof CryptokiError)) throw error;
    return { slot, info, token: undefined, fault: error.message };
  }
}

/** A token as its URI would name it. */
export const tokenName = ({ label, serial }: TokenInfo): string =>
  `token=${encodeURIComponent(label)};serial=${encodeURIComponent(serial)}`;

/** The one token that is as `selector` says. Throws {@link Pkcs11Error} `PKCS11_TOKEN_ABSENT`, and says which there are. */
export function fitting(
  { library, slots }: FoundSlots,
  selector: TokenSelector,
): { readonly slot: bigint; readonly info: TokenInfo } {
  const all = slots.flatMap(({ slot, info, token }) =>
    token !== undefined && isInitialized(token) ? [{ slot, slotInfo: info, info: token }] : [],
  );
  const found = fitsLibrary(library, selector) ? all.filter((one) => fits(one, selector)) : [];
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first;
  const names = (some: readonly { info: TokenInfo }[]): string =>
    some.map(({ info }) => tokenName(info)).join(', ');
  const faults = slots.flatMap(({ info, fault }) =>
    fault === undefined ? [] : [`${printable(info.description)}: ${fault}`],
  );
  const hint =
    first === undefined
      ? [
          `The module "${printable(library.description)}" has ${names(all) || 'no token that is set up'} in ${slots.length} slots.`,
          ...faults,
        ].join(' ')
      : `Add serial=… of one: ${names(found)}.`;
  const message =
    first === undefined ? 'no token is as the URI says' : `${found.length} tokens are as the URI says`;
  throw new Pkcs11Error('PKCS11_TOKEN_ABSENT', message, { hint });
}

const same = (wanted: string | undefined, is: string): boolean =>
  wanted === undefined || wanted.trimEnd() === is;

const fits = (
  { slot, slotInfo, info }: { readonly slot: bigint; readonly slotInfo: SlotInfo; readonly info: TokenInfo },
  selector: TokenSelector,
): boolean =>
  same(selector.token, info.label) &&
  same(selector.manufacturer, info.manufacturer) &&
  same(selector.serial, info.serial) &&
  same(selector.model, info.model) &&
  same(selector.slotDescription, slotInfo.description) &&
  same(selector.slotManufacturer, slotInfo.manufacturer) &&
  (selector.slotId === undefined || BigInt(selector.slotId) === slot);

function fitsLibrary(library: LibraryInfo, selector: TokenSelector): boolean {
  const [major, minor] = selector.libraryVersion ?? library.version;
  return (
    same(selector.libraryManufacturer, library.manufacturer) &&
    same(selector.libraryDescription, library.description) &&
    major === library.version[0] &&
    minor === library.version[1]
  );
}
