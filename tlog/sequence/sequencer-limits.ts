/** How much the sequencer takes and holds. */
export interface SequencerLimits {
  /** Entries of one batch. */
  readonly batch: number;
  /** Entries that may wait; more are refused with `LOG_BUSY`. */
  readonly queued: number;
  /** Full bundles of entries that may wait for a tile store that is slow or fails; beyond them the log stops. */
  readonly tileBacklog: number;
  /** Milliseconds that entries wait for a key that fails or does not answer. */
  readonly signingTimeoutMs: number;
}

/** Some seconds of full load each; the tiles are about 600 KB a piece, in memory and in the commit store. */
export const SEQUENCER_LIMITS: SequencerLimits = {
  batch: 1024,
  queued: 4096,
  tileBacklog: 64,
  signingTimeoutMs: 5_000,
};
