import { toBase64, toHex, utf8 } from '../../core/bytes.ts';

/** What a log of Rekor's first API promises to have taken in, and when. */
export interface PromisedEntry {
  readonly body: Uint8Array;
  /** Seconds since the epoch. */
  readonly integratedTime: number;
  readonly logId: Uint8Array;
  /** Over all trees that the log has had. */
  readonly logIndex: number;
}

/** What the log signs of it: the signed entry timestamp (SET) is that signature. */
export const signedEntryTimestampPayload = ({
  body,
  integratedTime,
  logId,
  logIndex,
}: PromisedEntry): Uint8Array =>
  utf8(JSON.stringify({ body: toBase64(body), integratedTime, logID: toHex(logId), logIndex }));
