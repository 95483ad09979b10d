import type { Cryptoki, TokenInfo } from './cryptoki.ts';
import type { ShownModule, ShownToken } from './token-messages.ts';
import { isInitialized, slotsOf } from './token-slots.ts';

const PIN_FLAGS = [
  [0x40000n, 'locked'],
  [0x20000n, 'final-try'],
  [0x10000n, 'count-low'],
] as const;

/** A module and its slots, for a person. Throws CryptokiError. */
export function shownSlots(cryptoki: Cryptoki): ShownModule {
  const { library, slots } = slotsOf(cryptoki);
  return {
    library: `${library.description} ${library.version.join('.')} (${library.manufacturer})`,
    slots: slots.map(({ slot, info, token, fault }) => ({
      id: String(slot),
      description: info.description,
      manufacturer: info.manufacturer,
      token: token === undefined ? undefined : shown(token),
      fault,
    })),
  };
}

const shown = (token: TokenInfo): ShownToken => ({
  label: token.label,
  manufacturer: token.manufacturer,
  model: token.model,
  serial: token.serial,
  isInitialized: isInitialized(token),
  pin: PIN_FLAGS.find(([flag]) => (token.flags & flag) !== 0n)?.[1],
});
