/** Messages of syslog (RFC 5424 §6) and how they are framed on a connection (RFC 6587 §3.4.1, RFC 5425 §4.3). */
import { SYSLOG_FACILITIES, type SyslogFacility } from './audit-definition.ts';

/** Severities of RFC 5424 §6.2.1. */
const WARNING = 4;
const NOTICE = 5;

/** What stays the same in all messages of a service. */
interface SyslogSender {
  readonly facility: SyslogFacility;
  readonly hostname: string;
  readonly processId: number;
}

/** Makes a message of a line: ASCII JSON as the audit writes it, whose time and event go into the header too. */
export function syslogFormatter(sender: SyslogSender): (line: string) => string {
  const facility = SYSLOG_FACILITIES[sender.facility] * 8;
  const from = `${nameOf(sender.hostname, 255)} mayfly ${sender.processId}`;
  return (line) => {
    const { time, event } = headerOf(line);
    const severity = event === 'issued' ? NOTICE : WARNING;
    return `<${facility + severity}>1 ${time} ${from} ${event} - ${line}`;
  };
}

/** The message with its length in octets before it; it has to be ASCII. */
export const octetCounted = (message: string): string => `${message.length} ${message}`;

/** The beginning of every line that `audit-line.ts` makes. */
const HEAD = /^\{"version":\d+,"time":"([^"]+)","event":"(\w+)"/;

function headerOf(line: string): { readonly time: string; readonly event: string } {
  const [, time = '-', event = '-'] = HEAD.exec(line) ?? [];
  return { time, event };
}

/** PRINTUSASCII without spaces, or the nil value. */
function nameOf(text: string, longest: number): string {
  const name = text.replace(/[^\x21-\x7e]/g, '').slice(0, longest);
  return name === '' ? '-' : name;
}
