import { isLoopbackHostname } from '../../core/loopback.ts';
import { CommandError } from '../program/command.ts';

/** What people write instead of an origin, and what is wrong with it. */
const MISTAKES: readonly (readonly [sign: RegExp, what: string])[] = [
  [/^[a-z][a-z0-9+.-]*:\/\//i, 'has a scheme'],
  [/\/$/, 'ends with a slash'],
  [/\s/, 'has a space in it'],
  [/[A-Z]/, 'has capital letters'],
];

/** Checks `--origin`: `HOST/log/NAME`, for the log is served below `/log/NAME/`. Signatures and key ids cover its
 * very letters, so it cannot be changed later. Throws {@link CommandError} `USAGE`. */
export function checkOrigin(origin: string): string {
  const refuse = (what: string): CommandError =>
    new CommandError('USAGE', `--origin: "${origin.slice(0, 200)}" ${what}`, {
      hint: 'An origin looks like ca.example.org/log/2026: lower case, no scheme, no slash at the end.',
    });
  for (const [sign, what] of MISTAKES) if (sign.test(origin)) throw refuse(what);
  if (!/^[a-z0-9.-]+(:\d{1,5})?\/log\/[a-z0-9._-]+$/.test(origin))
    throw refuse('is not of the form HOST/log/NAME');
  return origin;
}

/** What to say when a service with a public URL has a log that nobody named: its name can never be changed. */
export function originWarnings(origin: string, publicUrl: string | undefined): string[] {
  if (publicUrl === undefined) return [];
  const { host, hostname } = new URL(publicUrl);
  if (isLoopbackHostname(hostname)) return [];
  const wanted = `${host}/${origin.replace(/^[^/]*\//, '')}`;
  return [
    `the log is named ${origin} for good; for production start again with --origin ${wanted} (in a directory that is empty)`,
  ];
}
