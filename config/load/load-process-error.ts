import { MayflyError } from '../../core/errors.ts';

/** Codes of {@link LoadProcessError}. */
export type LoadProcessCode = 'LOAD_NOT_STARTED' | 'LOAD_ENDED' | 'LOAD_STUCK';

const HINTS: Readonly<Record<LoadProcessCode, string>> = {
  LOAD_NOT_STARTED: 'May this user start another process, and is there memory for it?',
  LOAD_ENDED: 'Is there memory for another process? The system says if it ended it.',
  LOAD_STUCK:
    'Do the file systems of the configuration and of the files that it names answer, and may it start threads (a limit of pids)?',
};

/** The process that should have loaded a configuration gave none. Says nothing about the configuration. */
export class LoadProcessError extends MayflyError<LoadProcessCode> {
  /** `fate`: what became of the process, without the subject of the sentence. */
  constructor(code: LoadProcessCode, fate: string, cause?: unknown) {
    super(code, `the process that loads it ${fate}`, { hint: HINTS[code], cause });
  }
}
