/** The transcript of a ceremony: what people sign off who stand around it. It has who ran which command when, and public fingerprints before and
 * after; no key, no passphrase and nothing of the content of a secret file. */
import type { Speaker } from './command.ts';

/** The option, for every command that makes, signs or changes a key or what is trusted. */
export const TRANSCRIPT_OPTION = [
  '--transcript <file>',
  'append who ran what when, with public fingerprints before and after',
] as const;

interface TranscriptOptions {
  readonly transcript?: string;
}

type Run<Options> = (
  options: Options,
  speak: Speaker,
  args: readonly string[],
) => Promise<boolean | undefined>;

/** Runs a command so that `--transcript` writes an entry about it, also about its failure. The file is opened for the first entry before anything is
 * done: a ceremony without its record does not begin. */
export function recorded<Options extends object>(run: Run<Options>): Run<Options & TranscriptOptions> {
  return async (options, speak, args) => {
    const { transcript, ...rest } = options;
    if (transcript === undefined) return run(options, speak, args);
    // Loaded only where it is asked for.
    const { TranscriptEntry } = await import('./transcript-entry.ts');
    const entry = await TranscriptEntry.begin(transcript, rest, args);
    const answer: Speaker['answer'] = (result, text) => {
      entry.say(text);
      speak.answer(result, text);
    };
    try {
      const outcome = await run(options, { ...speak, answer }, args);
      await entry.end('done');
      return outcome;
    } catch (error) {
      await entry.end(`failed: ${error instanceof Error ? error.message : 'for a reason that is not known'}`);
      throw error;
    }
  };
}
