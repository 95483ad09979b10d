import type { Audit } from '../audit/audit.ts';
import { toHex } from '../core/bytes.ts';
import { messageOf } from '../core/errors.ts';
import type { ArtifactLog } from '../rekor/artifact-log.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';

/** Where redactions are recorded. */
interface RedactionDestinations {
  readonly audit: Pick<Audit, 'redacted'> | undefined;
  readonly serviceLog: ServiceLog;
}

/** Records what was redacted while no service ran: a command knows no destination of the audit. Never rejects: what could not be recorded is a warning, and the next start tries again. */
export async function recordRedactions(
  logs: readonly { readonly name: string; readonly log: Pick<ArtifactLog, 'recordRedactions'> }[],
  { audit, serviceLog }: RedactionDestinations,
): Promise<void> {
  for (const { name, log } of logs)
    try {
      await log.recordRedactions(({ leafHash, redactedAt, reason }, logIndex) => {
        const entry = {
          log: `artifacts/${name}`,
          logIndex,
          leafHash: toHex(leafHash),
          because: reason,
          redactedAt,
        };
        serviceLog.note('info', 'redacted', { ...entry, redactedAt: new Date(redactedAt).toISOString() });
        return audit?.redacted(entry);
      });
    } catch (error) {
      const sentence = `redactions of artifacts/${name} are not in the audit yet: ${messageOf(error)}`;
      serviceLog.note('warn', 'warning', { sentence });
    }
}
