import { isIP } from 'node:net';
import { MayflyError, systemCode } from '../../core/errors.ts';
import { isLoopbackListener } from '../../core/loopback.ts';

/** Codes of {@link ListenError}. */
type ListenCode =
  | 'ADDRESS_MALFORMED'
  | 'ADDRESS_IN_USE'
  | 'ADDRESS_NOT_HERE'
  | 'ADDRESS_FORBIDDEN'
  | 'ADDRESS_UNUSABLE'
  | 'PLAIN_HTTP';

/** An address that cannot or must not be listened on. */
export class ListenError extends MayflyError<ListenCode> {}

/** Where to listen. Port 0 lets the system pick one. */
export interface ListenAddress {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

const SHAPE = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/;

/** `HOST:PORT` or `[IPv6]:PORT`; throws {@link ListenError} `ADDRESS_MALFORMED`. */
export function parseListenAddress(text: string): ListenAddress {
  const match = SHAPE.exec(text);
  const [, bracketed, bare = '', digits] = match ?? [];
  const port = Number(digits);
  const isGood = match !== null && port <= 65535 && (bracketed === undefined || isIP(bracketed) === 6);
  if (isGood) return { host: bracketed ?? bare, port };
  throw new ListenError('ADDRESS_MALFORMED', `"${text}" is not an address to listen on`, {
    hint: /^\[[^\]]+%/.test(text)
      ? 'No URL can name an address together with its interface. Listen on [::] or on another address of it.'
      : 'Write HOST:PORT, for example 127.0.0.1:5555, [::1]:5555 or 0.0.0.0:0; port 0 picks a free one.',
  });
}

/** `HOST:PORT`, with brackets around an IPv6 address. */
export const addressText = ({ host, port }: ListenAddress): string =>
  `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;

/** Whether the host stands for every interface of the machine, and so is no address of a client. */
export const isEveryInterface = (host: string): boolean =>
  host === '0.0.0.0' || (isIP(host) === 6 && /^[0:]+$/.test(host));

/** The host as a URL has it; an address that means "every interface" becomes the loopback one. */
export function urlHost(host: string): string {
  if (isEveryInterface(host)) return isIP(host) === 6 ? '[::1]' : '127.0.0.1';
  return isIP(host) === 6 ? `[${host}]` : host;
}

/** Throws {@link ListenError} `PLAIN_HTTP` when tokens would cross a network in the clear. */
export function requireProtectedTransport(
  address: ListenAddress,
  protection: { readonly tls: boolean; readonly behindTlsProxy: boolean },
  protocol: 'HTTP' | 'gRPC' = 'HTTP',
): void {
  if (isLoopbackListener(address.host) || protection.tls || protection.behindTlsProxy) return;
  throw new ListenError(
    'PLAIN_HTTP',
    `plain ${protocol} on ${address.host} would let identity tokens be read on the way`,
    {
      hint:
        protocol === 'HTTP'
          ? 'Give --tls-cert and --tls-key, or say --behind-tls-proxy if a proxy in front speaks TLS.'
          : 'Let clients use the port that speaks TLS, or say --behind-tls-proxy if a proxy in front speaks TLS.',
    },
  );
}

const SENTENCES: Readonly<Record<string, readonly [ListenCode, string, string]>> = {
  EADDRINUSE: [
    'ADDRESS_IN_USE',
    'is taken by another program',
    'Stop that program, or choose another address: OPTION picks a free port.',
  ],
  EADDRNOTAVAIL: [
    'ADDRESS_NOT_HERE',
    'is not an address of this machine',
    'Listen on 127.0.0.1, on 0.0.0.0 for every interface, or on an address that `ip addr` shows.',
  ],
  ENOTFOUND: [
    'ADDRESS_NOT_HERE',
    'has a host name that does not resolve',
    'Use an address, for example 127.0.0.1.',
  ],
  EAI_AGAIN: [
    'ADDRESS_NOT_HERE',
    'has a host name that cannot be looked up now',
    'Use an address, for example 127.0.0.1.',
  ],
  EAFNOSUPPORT: [
    'ADDRESS_NOT_HERE',
    'is of a kind that this machine does not have',
    'IPv6 may be switched off here: listen on 127.0.0.1, or on 0.0.0.0 for every interface.',
  ],
  EINVAL: [
    'ADDRESS_UNUSABLE',
    'cannot be listened on as it stands',
    'A link-local address holds on one interface only: listen on [::] or on another address.',
  ],
  EACCES: [
    'ADDRESS_FORBIDDEN',
    'may not be opened by this user',
    'Ports below 1024 need a privilege; use a higher one behind a proxy.',
  ],
  EPERM: [
    'ADDRESS_FORBIDDEN',
    'may not be opened: the system forbids it',
    'Look at the sandbox of the service, such as a profile of seccomp, SELinux or AppArmor.',
  ],
  EMFILE: [
    'ADDRESS_UNUSABLE',
    'cannot be opened, because the process has too many open files',
    'Raise the limit: `ulimit -n`, or LimitNOFILE= of a systemd unit.',
  ],
};

/** Any other complaint of the system. */
const OTHER: readonly [ListenCode, string, string] = [
  'ADDRESS_UNUSABLE',
  'cannot be listened on',
  'Try 127.0.0.1 and port 0, which picks a free one: if that works, it is the address.',
];

/** What a failed `listen` means, with what to do about it; what is no complaint of the system comes back unchanged. */
export function explainListenFailure(fault: Error, address: ListenAddress, option: string): Error {
  const code = systemCode(fault);
  if (code === undefined) return fault;
  const known = Object.hasOwn(SENTENCES, code) ? SENTENCES[code] : undefined;
  const [reason, sentence, hint] = known ?? OTHER;
  const detail = known === undefined ? ` (${code})` : '';
  const message = `${addressText(address)} (${option}) ${sentence}${detail}`;
  return new ListenError(reason, message, {
    hint: hint.replace('OPTION', `${option} ${addressText({ ...address, port: 0 })}`),
    cause: fault,
  });
}
