/** What servers of Rekor were asked and answered (`test/vectors/rekor`). */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { vectorPath } from '../../../support/vectors.ts';

/** A request that was logged. */
export interface RecordedEntry {
  readonly name: string;
  readonly request: string;
  readonly canonicalizedBody: string;
  readonly leafHash: string;
}

/** A request that was refused. */
export interface RecordedRefusal {
  readonly name: string;
  readonly request: string;
  readonly status: number;
  /** As it was received. */
  readonly answer: string;
}

interface Recorded {
  readonly entries: readonly RecordedEntry[];
  /** Of the first API: bodies that stock clients sent. */
  readonly stock?: readonly RecordedEntry[];
  readonly refusals: readonly RecordedRefusal[];
}

/** All that was recorded of one API. */
export const recorded = (api: 1 | 2): Recorded =>
  JSON.parse(readFileSync(vectorPath(`rekor/vectors-v${api}.json`), 'utf8')) as Recorded;

/** In hexadecimal. */
export const leafHashOf = (body: Uint8Array): string =>
  createHash('sha256').update(Uint8Array.of(0)).update(body).digest('hex');
