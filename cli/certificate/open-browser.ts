import { spawn } from 'node:child_process';

type Environment = Readonly<Record<string, string | undefined>>;

const OPENERS: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  darwin: ['open'],
  linux: ['xdg-open'],
  freebsd: ['xdg-open'],
  openbsd: ['xdg-open'],
  // `start` is a word of the shell, and a URL is full of the shell's own characters.
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};

/** Whether a browser could open here: a known system, and on X11 or Wayland a display. */
export function canOpenBrowser(env: Environment, platform: NodeJS.Platform = process.platform): boolean {
  if (platform === 'darwin' || platform === 'win32') return env['SSH_CONNECTION'] === undefined;
  const hasDisplay = Boolean(env['DISPLAY']) || Boolean(env['WAYLAND_DISPLAY']);
  return OPENERS[platform] !== undefined && hasDisplay;
}

/** Opens `url` in the person's browser and does not wait for it. A failure is not reported: the URL has been
 * printed too. */
export function openBrowser(url: URL, platform: NodeJS.Platform = process.platform): void {
  const [command, ...words] = OPENERS[platform] ?? [];
  if (command === undefined) return;
  const child = spawn(command, [...words, url.href], { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}
