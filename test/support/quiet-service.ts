/** A service on a data directory, at free ports of this machine, whose log is kept and shown nowhere. */
import { openService, type RunningService } from '../../service/open-service.ts';

type ServiceOptions = Parameters<typeof openService>[0];

/** A service, and what it wrote into its log. */
export interface QuietService extends RunningService {
  /** Parsed lines. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
}

/** Opens the service in the directory `data`, in production by the real time unless `options` say otherwise. */
export async function openQuietly(
  data: string,
  options: Partial<ServiceOptions> = {},
): Promise<QuietService> {
  const lines: Record<string, unknown>[] = [];
  const note = (bytes: Uint8Array): void => {
    // At the exit of a process whose test failed there may be none.
    for (const line of Buffer.from(bytes).toString().split('\n').filter(Boolean))
      lines.push(JSON.parse(line) as Record<string, unknown>);
  };
  const local = { host: '127.0.0.1', port: 0 };
  const service = await openService({
    data,
    listen: local,
    metricsListen: local,
    clock: Date.now,
    program: 'mayfly',
    logOutput: {
      write: (bytes) => {
        note(bytes);
        return Promise.resolve();
      },
      writeNow: note,
    },
    ...options,
  });
  return { ...service, lines };
}
