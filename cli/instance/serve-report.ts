/** What `serve` says when it is ready. */
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { isEveryInterface, parseListenAddress } from '../../server/http/listen-address.ts';
import type { RunningService } from '../../service/open-service.ts';
import { invocation } from '../program/invocation.ts';
import { quoted, quotedPath } from '../../storage/quoted-path.ts';

type Facts =
  | 'url'
  | 'listen'
  | 'metricsListen'
  | 'logUrl'
  | 'logSize'
  | 'metricsUrl'
  | 'configFile'
  | 'grpcListen'
  | 'grpcWithTls';

/** What the report says. */
export interface ReadyService extends Pick<RunningService, Facts> {
  /** Where clients reach it, when that is configured. */
  readonly publicUrl: string | undefined;
  readonly issuers: readonly string[];
  /** How many rules there are. */
  readonly rules: number;
  /** Names of issuer blocks without an allow rule. */
  readonly openBlocks: readonly string[];
  /** The data directory as it was given. */
  readonly data: string;
  /** Whether the configuration is not the one of the data directory. */
  readonly isOwnConfig: boolean;
}

/** For people: where everything is, and what to do next. */
export function serveReport(service: ReadyService): string {
  const { url, publicUrl, logUrl, logSize, metricsUrl, issuers, listen, metricsListen } = service;
  return [
    'Mayfly is ready.',
    row('Certificates', `${publicUrl ?? url}   (the Fulcio URL of clients)`),
    ...listenerRow('Listener', publicUrl === undefined ? undefined : url, listen),
    ...grpcPlaces(service).map((text) => row('gRPC', text)),
    row('Log', `${logUrl}   (${logSize} entries)`),
    row('Trust', `${publicUrl ?? url}/trust/   (what clients and verifiers are given)`),
    row('Metrics', `${metricsUrl}/metrics   readiness in detail: ${metricsUrl}/readyz`),
    ...listenerRow('', undefined, metricsListen),
    row('Issuers', issuers.length === 0 ? 'none: every token is refused' : counted(issuers)),
    row('Rules', rulesText(service)),
    'Next:',
    ...nextSteps(service).map((step) => `  ${step}`),
    'Ctrl-C ends the service; what is under way is finished first.',
  ].join('\n');
}

const row = (title: string, text: string): string => `  ${title.padEnd(13)} ${text}`;

/** A row for a listener whose URL is not in another one, or that more can reach than its URL says. */
function listenerRow(title: string, url: string | undefined, address: string): string[] {
  const { host } = parseListenAddress(address);
  const reach = isIP(host) === 6 ? 'every address of this machine' : 'every IPv4 address of this machine';
  if (isEveryInterface(host)) return [row(title, `${address}   (${reach})`)];
  return url === undefined ? [] : [row(title, url)];
}

/** Where gRPC is taken, a text for people; none where it is not. */
export function grpcPlaces({
  grpcListen,
  grpcWithTls,
}: Pick<ReadyService, 'grpcListen' | 'grpcWithTls'>): string[] {
  const places = [
    ...(grpcWithTls ? ['the same port'] : []),
    ...(grpcListen === undefined ? [] : [`${grpcListen} without TLS`]),
  ];
  return places.length === 0 ? [] : [places.join(', and ')];
}

const MAX_NAMES = 5;

/** How many, and the first of them. */
function counted(names: readonly string[]): string {
  const more = names.length > MAX_NAMES ? `, and ${names.length - MAX_NAMES} more` : '';
  return `${names.length}: ${names.slice(0, MAX_NAMES).join(', ')}${more}`;
}

function rulesText({ issuers, rules, openBlocks }: ReadyService): string {
  if (openBlocks.length === 0 || issuers.length === 0) return String(rules);
  return `${rules}   issuer blocks that allow by none, open to all whom the issuer vouches for: ${counted(openBlocks)}`;
}

function nextSteps({ url, publicUrl, issuers, data, configFile, isOwnConfig }: ReadyService): string[] {
  const program = invocation();
  const config = isOwnConfig ? ` --config ${quotedPath(configFile)}` : '';
  const exported = `${program} trust export --data ${quotedPath(data)}${config} --out trust   (what verifiers need)`;
  if (issuers.length === 0) {
    return [
      `Say who may sign: an issuer under oidc-issuers in ${resolve(configFile)}; it is in force seconds later.`,
      exported,
    ];
  }
  const client = `${program} certificate --url ${quoted(publicUrl ?? url)} --trust trust   (a certificate)`;
  return [exported, client];
}
