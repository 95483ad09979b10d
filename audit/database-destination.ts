import { SharedLines } from '../tlog/store/shared-lines.ts';
import type { AuditDatabaseDefinition } from './audit-definition.ts';
import type { Destination } from './destination.ts';

/** The table of a database that all services share. Lines that go together are one row, and one commit. */
export function databaseDestination({ place, writer }: AuditDatabaseDefinition): Destination {
  const lines = new SharedLines(place, writer);
  return {
    name: 'database',
    deliver: (batch) => lines.append(batch),
    close: () => lines.close(),
  };
}
