/** What servers of Rekor were asked and answered (`test/vectors/rekor`). */
import { createHash } from 'node:crypto';
import { V1, V2, type RecordedAnswer, type RekorVector } from '../../format/support/rekor-vectors.ts';

/** A request that was logged. */
export type RecordedEntry = RekorVector;

/** A request that was refused. */
export type RecordedRefusal = RecordedAnswer & Required<Pick<RecordedAnswer, 'name' | 'request'>>;

interface Recorded {
  readonly entries: readonly RecordedEntry[];
  /** Of the first API: bodies that stock clients sent. */
  readonly stock?: readonly RecordedEntry[];
  readonly refusals: readonly RecordedRefusal[];
}

/** All that was recorded of one API. */
export const recorded = (api: 1 | 2): Recorded => (api === 1 ? V1 : V2) as Recorded;

/** In hexadecimal. */
export const leafHashOf = (body: Uint8Array): string =>
  createHash('sha256').update(Uint8Array.of(0)).update(body).digest('hex');
