/** Rekor's second API over a log of its own. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { Registry } from 'prom-client';
import type { Audit } from '../../../../audit/audit.ts';
import type { ArtifactLog, LoggableEntry, LoggedEntry } from '../../../../rekor/artifact-log.ts';
import type { RateLimiter } from '../../../../policy/rate-limit.ts';
import { UnsentResponseLimit } from '../../../../server/http/unsent-response-limit.ts';
import { createAccessCheck, type LogAccessRule } from '../../../../server/log/log-access.ts';
import { ReadLimiter } from '../../../../server/log/read-limiter.ts';
import { EntryMetrics } from '../../../../server/operator/entry-metrics.ts';
import { RefusalLog } from '../../../../server/operator/refusal-log.ts';
import { createServiceLog } from '../../../../server/operator/service-log.ts';
import { admitEverybody, type Admission } from '../../../../server/rekor/admission.ts';
import { EntryAdditions, type EntryAdmittance } from '../../../../server/rekor/entry-additions.ts';
import { EntryRecords } from '../../../../server/rekor/entry-records.ts';
import { V2Endpoint } from '../../../../server/rekor/v2/v2-endpoint.ts';
import { rekorLog, type RekorLog } from '../../../rekor/support/rekor-log.ts';

/** How a server is started. */
interface V2ServerOptions {
  /** A log that is there already. */
  readonly made?: RekorLog;
  readonly admission?: Admission;
  readonly certificates?: EntryAdmittance['certificates'];
  readonly limiter?: RateLimiter;
  readonly audit?: Audit;
  /** Until when verifiers trust the log. */
  readonly trustedUntil?: () => number | undefined;
  readonly refusesDuplicates?: boolean;
  readonly access?: LogAccessRule;
  /** What the log does otherwise. */
  readonly change?: Partial<Pick<ArtifactLog, 'add' | 'refusal'>>;
}

/** A server, with the log that it serves. */
export interface V2Server {
  readonly url: string;
  readonly log: ArtifactLog;
  readonly made: RekorLog;
  /** Lines of the service log. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  readonly faults: readonly unknown[];
  metrics(): Promise<string>;
  stop(): Promise<void>;
}

/** Starts one. */
export async function startV2Server(options: V2ServerOptions = {}): Promise<V2Server> {
  const { access = { kind: 'public' }, audit } = options;
  const made = options.made ?? (await rekorLog(2));
  const opened = await made.open();
  const log = {
    api: opened.api,
    identity: opened.identity,
    isShared: opened.isShared,
    status: () => opened.status(),
    refusal: () => opened.refusal(),
    add: (entry: LoggableEntry) => opened.add(entry),
    find: (body: Uint8Array) => opened.find(body),
    signEntryTimestamp: (entry: LoggedEntry) => opened.signEntryTimestamp(entry),
    checkpoint: () => opened.checkpoint(),
    redactions: opened.redactions,
    tile: (path: string) => opened.tile(path),
    ...options.change,
  };
  const registry = new Registry();
  const metrics = new EntryMetrics([registry], [log]);
  const lines: Record<string, unknown>[] = [];
  const output = new PassThrough();
  output.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().trim().split('\n'))
      lines.push(JSON.parse(line) as Record<string, unknown>);
  });
  const serviceLog = createServiceLog(output, 'info');
  const refusalLog = new RefusalLog(serviceLog, Date.now);
  const faults: unknown[] = [];
  const clientAddress = (): string => '192.0.2.1';
  const { admission = admitEverybody, limiter } = options;
  const records = new EntryRecords({ api: 2, name: 'v2' }, { metrics, serviceLog, refusalLog, audit });
  const endpoint = new V2Endpoint({
    log,
    logs: new Map([['v2', log]]),
    additions: new EntryAdditions(
      { current: log, former: [], windowOf: () => ({ start: 0, end: options.trustedUntil?.() }) },
      { admission, certificates: options.certificates, limiter, audit, clock: Date.now },
      records,
    ),
    refusesDuplicates: options.refusesDuplicates ?? false,
    accepted: () => 0,
    clientAddress,
    access: createAccessCheck(access, clientAddress),
    isPublic: access.kind === 'public',
    limiter: new ReadLimiter({ concurrency: 4 }),
    unsent: new UnsentResponseLimit(),
    context: { answered: () => undefined, isClosing: () => false },
    onAnswer: metrics.answeredSecond,
    onFault: (_, error) => faults.push(error),
  });
  const server: Server = createServer((request, response) => {
    const path = (request.url ?? '').replace(/\?.*/, '');
    if (endpoint.isAt(path)) endpoint.answer(request, response, path);
    else response.writeHead(418).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log: opened,
    made,
    lines,
    faults,
    metrics: () => registry.metrics(),
    stop: async () => {
      refusalLog.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await made.remove();
    },
  };
}
