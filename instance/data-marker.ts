import { readFile } from 'node:fs/promises';
import { parseRfc3339, rfc3339 } from '../core/clock.ts';
import { DataDirectoryError, systemFault } from './data-directory-error.ts';

/** What a data directory is for. A `dev` directory holds a CA that anybody on the machine can use. */
export type Mode = 'production' | 'dev';

/** The content of `mayfly.json`. */
export interface Marker {
  readonly version: 1;
  readonly mode: Mode;
  /** Milliseconds since the epoch; RFC 3339 in the file. */
  readonly createdAt: number;
}

/** The text of `mayfly.json`. */
export const markerText = (marker: Marker): string =>
  `${JSON.stringify({ ...marker, createdAt: rfc3339(marker.createdAt) })}\n`;

/** Reads `mayfly.json`. Throws {@link DataDirectoryError}: too new, damaged, or out of reach. */
export async function readMarker(path: string): Promise<Marker> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw systemFault(path, 'read', error);
  });
  const { version, mode, createdAt } = fieldsOf(text);
  if (typeof version === 'number' && version > 1)
    throw new DataDirectoryError('DIRECTORY_TOO_NEW', `${path} has version ${version}; this Mayfly knows 1`, {
      hint: 'Use the newer version of Mayfly that made it.',
    });
  const created = typeof createdAt === 'string' ? parseRfc3339(createdAt) : undefined;
  if (version !== 1 || (mode !== 'production' && mode !== 'dev') || created === undefined)
    throw new DataDirectoryError('DIRECTORY_DAMAGED', `${path} cannot be understood`, {
      hint: 'Restore it from a backup.',
    });
  return { version, mode, createdAt: created };
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
