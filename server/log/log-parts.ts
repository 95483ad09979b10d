/** The parts of the log that can fail by themselves, and how that is said. */
import type { LogStatus } from '../../tlog/log-status.ts';

/** One of them. */
export interface LogPart {
  /** In metrics. */
  readonly part:
    'entries' | 'recovery' | 'signing' | 'clock' | 'tiles' | 'index' | 'files' | 'checkpoint' | 'store';
  /** Events of the service log: that it fails, and that it works again. */
  readonly fails: string;
  readonly works: string;
  /** Whether certificates are issued all the same. */
  readonly isDerived: boolean;
  readonly failure: (status: LogStatus) => string | undefined;
}

/** All of them. */
export const LOG_PARTS: readonly LogPart[] = [
  {
    ...{ part: 'entries', fails: 'log stopped', works: 'log goes on', isDerived: false },
    failure: ({ failed }) => failed,
  },
  {
    ...{ part: 'recovery', fails: 'log does not open again', works: 'log opens again', isDerived: false },
    failure: ({ blocked }) => blocked,
  },
  {
    ...{ part: 'signing', fails: 'log cannot sign', works: 'log signs again', isDerived: false },
    failure: ({ signingFailure }) => signingFailure,
  },
  {
    ...{ part: 'clock', fails: 'clock not trusted', works: 'clock trusted again', isDerived: false },
    failure: ({ clockFailure }) => clockFailure,
  },
  {
    ...{ part: 'tiles', fails: 'tiles not written', works: 'tiles written again', isDerived: true },
    failure: ({ tileFailure }) => tileFailure,
  },
  {
    ...{ part: 'index', fails: 'leaf hashes not found', works: 'leaf hashes found again', isDerived: true },
    failure: ({ indexFailure }) => indexFailure,
  },
  {
    ...{ part: 'files', fails: 'files of the log missing', works: 'files of the log there again' },
    isDerived: true,
    failure: ({ unreadable }) => unreadable?.first,
  },
  {
    ...{ part: 'checkpoint', fails: 'checkpoint file not written', works: 'checkpoint file written again' },
    isDerived: true,
    failure: ({ checkpointFailure }) => checkpointFailure,
  },
  {
    ...{ part: 'store', fails: 'commit store grows', works: 'commit store grows no more', isDerived: true },
    failure: ({ storeGrowth }) => storeGrowth,
  },
];
