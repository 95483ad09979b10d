/** A configuration of another service, such as Fulcio's, taken over as it is. */
import { ConfigError, type ConfigProblem } from '../findings/config-error.ts';
import { inspectText, type Inspection } from '../load/inspect.ts';
import { relativeFilesIn } from '../load/relative-files.ts';

/** What becomes of it. */
export interface AdoptedConfig {
  /** As it was; with `mayfly.public-url` behind it, where that was asked for and not in it. */
  readonly text: string;
  /** What it means. It has no problems. */
  readonly inspection: Inspection;
  /** Whether the public URL was put behind it. */
  readonly isUrlAdded: boolean;
}

/**
 * What to write in the place of `text`, which lies in `directory` now. Nothing of it is changed. Throws {@link ConfigError} for a file that
 * cannot be used, for one that names files by paths that start at its own directory, and for one whose public URL is another than
 * `publicUrl` or that leaves no place for it.
 */
export function adoptConfig(
  text: string,
  file: string,
  { directory, publicUrl }: { readonly directory: string; readonly publicUrl?: string | undefined },
): AdoptedConfig {
  const files = relativeFilesIn(text, file);
  if (files.length > 0) throw unusable(file, files.map(relativeProblem));
  const inspection = usable(text, file, directory);
  const { publicUrl: own } = inspection.mayfly;
  if (publicUrl === undefined || own === publicUrl) return { text, inspection, isUrlAdded: false };
  if (own !== undefined)
    throw unusable(file, [
      {
        path: 'mayfly.public-url',
        message: `is ${own}, and not ${publicUrl}`,
        hint: 'Leave --public-url out to take that of the file, or change the file.',
      },
    ]);
  const whole = `${text}${text.endsWith('\n') ? '' : '\n'}\nmayfly:\n  public-url: ${JSON.stringify(publicUrl)}\n`;
  return { text: whole, inspection: withUrl(whole, file, { directory, publicUrl }), isUrlAdded: true };
}

function usable(text: string, file: string, directory: string): Inspection {
  const inspection = inspectText(text, file, directory);
  if (inspection.problems.length > 0) throw unusable(file, inspection.problems);
  return inspection;
}

const unusable = (file: string, problems: readonly ConfigProblem[]): ConfigError =>
  new ConfigError('CONFIG_INVALID', file, problems);

const relativeProblem = (path: string): ConfigProblem => ({
  path: '',
  message: `names the file "${path}", which is looked for beside the configuration`,
  hint: 'In the data directory it would not be found. Write its whole path, from the root on.',
});

/** JSON leaves no place behind it, and a section `mayfly` that is there cannot be there twice. */
function withUrl(
  text: string,
  file: string,
  asked: { readonly directory: string; readonly publicUrl: string },
): Inspection {
  const noPlace = unusable(file, [
    {
      path: 'mayfly.public-url',
      message: 'is not in the file, and cannot be put behind it',
      hint: `Write it into the file: under the key "mayfly", "public-url" with the value ${asked.publicUrl}.`,
    },
  ]);
  try {
    const inspection = inspectText(text, file, asked.directory);
    if (inspection.problems.length === 0 && inspection.mayfly.publicUrl === asked.publicUrl)
      return inspection;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
  }
  throw noPlace;
}
