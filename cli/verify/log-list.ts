import { CommandError } from '../program/command.ts';

/** What a log may be called: `init` takes no other names, and none of these leaves `/log/`. */
const NAME = /^(?!\.{1,2}$)[a-z0-9._-]+$/;

/** More than any service has: each is asked for. */
const MAX_LOGS = 512;

/** A log of a service. */
export interface ListedLog {
  readonly name: string;
  /** Whether certificates go there. Older services have one log and do not say. */
  readonly isInUse: boolean;
  /** Whether it is to follow the one in use, by the service's word. */
  readonly isStaged: boolean;
}

/** The logs in the answer of a service's `GET /log/`. Throws {@link CommandError} when it is none. */
export function parseLogList(text: string): ListedLog[] {
  const logs: unknown = field(parseJson(text), 'logs');
  if (!Array.isArray(logs) || logs.length > MAX_LOGS) throw strange();
  return logs.map((log) => {
    const name = field(log, 'name');
    if (typeof name !== 'string' || !NAME.test(name)) throw strange();
    const state = field(log, 'state');
    return { name, isInUse: state === 'current', isStaged: state === 'staged' };
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw strange();
  }
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

const strange = (): CommandError =>
  new CommandError('FAILED', 'the list of logs of the service cannot be understood', {
    hint: 'Is --url the address of a Mayfly?',
  });
