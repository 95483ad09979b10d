import { VerifyError } from '../../verify/verify-error.ts';
import { CommandError } from '../program/command.ts';

/** How the command calls what it verifies, and what it verifies by. */
interface InputNames {
  readonly subject: string;
  /** The option that names the trust. */
  readonly trust: string;
}

/** What `run` returns. Where it rejects with {@link VerifyError}, nothing can be judged: rejects with {@link CommandError} `USAGE`, which names the input that is wrong. */
export async function judgedInput<T>(names: InputNames, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    const input = { REFUSED: names.subject, BAD_TRUST: names.trust, BAD_DENY_LIST: '--deny' }[error.code];
    throw new CommandError('USAGE', `${input}: ${error.message}`, { hint: error.hint });
  }
}
