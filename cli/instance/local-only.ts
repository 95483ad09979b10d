import { isLoopbackListener } from '../../core/loopback.ts';
import type { ListenAddress } from '../../server/http/listen-address.ts';
import { CommandError } from '../program/command.ts';

/** Throws {@link CommandError} when an address can be reached by other machines and nobody said that they may. */
export function requireLocal(
  addresses: Readonly<Record<string, ListenAddress>>,
  publicHost: string | undefined,
): void {
  if (publicHost !== undefined) {
    if (/^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(publicHost)) return;
    throw new CommandError(
      'USAGE',
      '--insecure-public-host takes a host name or an IPv4 address, without a port',
    );
  }
  for (const { host } of Object.values(addresses)) {
    if (isLoopbackListener(host)) continue;
    throw new CommandError('REFUSED', `\`mayfly dev\` does not listen on ${host}: others could reach it`, {
      hint:
        'Anyone who reaches it can be anybody. Listen on 127.0.0.1, or say --insecure-public-host NAME if that is ' +
        'what you want. For real use there is `mayfly init`.',
    });
  }
}
