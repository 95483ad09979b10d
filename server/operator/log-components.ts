/** The components of the log that can fail one by one, and how the service log says so. */
import type { LogStatus } from '../../tlog/log-status.ts';

/** One of them. */
export interface LogComponent {
  /** The label `part` of the metric. */
  readonly name:
    | 'entries'
    | 'recovery'
    | 'signing'
    | 'clock'
    | 'tiles'
    | 'index'
    | 'files'
    | 'checkpoint'
    | 'anchor'
    | 'store'
    | 'witnesses';
  /** Events of the service log: that it fails, and that it works again. */
  readonly fails: string;
  readonly works: string;
  /** Whether certificates are issued all the same. */
  readonly isDerived: boolean;
  readonly failure: (status: LogStatus) => string | undefined;
}

/** All of them. */
export const LOG_COMPONENTS: readonly LogComponent[] = [
  {
    name: 'entries',
    fails: 'log stopped',
    works: 'log goes on',
    isDerived: false,
    failure: ({ failed }) => failed,
  },
  {
    name: 'recovery',
    fails: 'log does not open again',
    works: 'log opens again',
    isDerived: false,
    failure: ({ blocked }) => blocked,
  },
  {
    name: 'signing',
    fails: 'log cannot sign',
    works: 'log signs again',
    isDerived: false,
    failure: ({ signingFailure }) => signingFailure,
  },
  {
    name: 'clock',
    fails: 'clock not trusted',
    works: 'clock trusted again',
    isDerived: false,
    failure: ({ clockFailure }) => clockFailure,
  },
  {
    name: 'tiles',
    fails: 'tiles not written',
    works: 'tiles written again',
    isDerived: true,
    failure: ({ tileFailure }) => tileFailure,
  },
  {
    name: 'index',
    fails: 'leaf hashes not found',
    works: 'leaf hashes found again',
    isDerived: true,
    failure: ({ indexFailure }) => indexFailure,
  },
  {
    name: 'files',
    fails: 'files of the log missing',
    works: 'files of the log there again',
    isDerived: true,
    failure: ({ unreadable }) => unreadable?.first,
  },
  {
    name: 'checkpoint',
    fails: 'checkpoint file not written',
    works: 'checkpoint file written again',
    isDerived: true,
    failure: ({ checkpointFailure, descriptionFailure }) => checkpointFailure ?? descriptionFailure,
  },
  {
    name: 'anchor',
    fails: 'anchor not written',
    works: 'anchor written again',
    isDerived: true,
    failure: ({ anchorFailure }) => anchorFailure,
  },
  {
    name: 'store',
    fails: 'commit store grows',
    works: 'commit store grows no more',
    isDerived: true,
    failure: ({ storeGrowth }) => storeGrowth,
  },
  {
    name: 'witnesses',
    fails: 'heads not cosigned',
    works: 'heads cosigned again',
    isDerived: true,
    failure: ({ witnesses }) => witnesses?.failure,
  },
];
