import { isIP } from 'node:net';

/** Whether `text` is an IP address or a network in CIDR form. */
export function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || rest.length > 0) return false;
  if (prefix === undefined) return true;
  return /^(0|[1-9]\d{0,2})$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128);
}

/** Whether `text` can be the base of links: http(s), with a host, without credentials, query and fragment. */
export function isPublicUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || !/^https?:\/\/[^/]/i.test(text)) return false;
  return url.username === '' && url.password === '' && !/[?#\s]/.test(text);
}

/** Where a syslog server listens. */
interface SyslogAddress {
  readonly transport: 'udp' | 'tcp' | 'tls';
  /** Host name, IPv4 or IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Reads `udp://HOST:PORT`, `tcp://HOST:PORT` or `tls://HOST:PORT`; undefined for anything else. */
export function syslogAddress(text: string): SyslogAddress | undefined {
  const { transport, v6, host = v6, port } = SYSLOG_ADDRESS.exec(text)?.groups ?? {};
  if (host === undefined || (v6 !== undefined && isIP(v6) !== 6)) return undefined;
  const number = Number(port);
  if (number > 65_535) return undefined;
  return { transport: transport as SyslogAddress['transport'], host, port: number };
}

const SYSLOG_ADDRESS =
  /^(?<transport>udp|tcp|tls):\/\/(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[A-Za-z0-9_.-]+)):(?<port>[1-9]\d{0,4})$/;

/** Where a time server listens. */
interface TimeServerAddress {
  /** Host name, IPv4 or IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Reads `HOST` or `HOST:PORT`, an IPv6 address in brackets; undefined for anything else. */
export function timeServerAddress(text: string): TimeServerAddress | undefined {
  const { v6, host = v6, port = '123' } = TIME_SERVER.exec(text)?.groups ?? {};
  if (host === undefined || (v6 !== undefined && isIP(v6) !== 6) || Number(port) > 65_535) return undefined;
  return { host, port: Number(port) };
}

const TIME_SERVER = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[A-Za-z0-9_.-]+))(?::(?<port>[1-9]\d{0,4}))?$/;

/** Where a service listens. */
interface ListeningAddress {
  /** Host name, IPv4 or IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Reads `HOST:PORT`, an IPv6 address in brackets; undefined for anything else. Port 0 picks a free one. */
export function listenAddress(text: string): ListeningAddress | undefined {
  const { v6, host = v6, port } = LISTEN.exec(text)?.groups ?? {};
  if (host === undefined || (v6 !== undefined && isIP(v6) !== 6) || Number(port) > 65_535) return undefined;
  return { host, port: Number(port) };
}

const LISTEN = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[A-Za-z0-9_.-]+)):(?<port>\d{1,5})$/;

/** Whether `text` is the URL of a bucket, or of a prefix in one: no slash at the end. */
export const isBucketUrl = (text: string): boolean =>
  /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}){0,8}$/.test(text);
