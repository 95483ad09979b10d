/** Notices of the process to a service manager such as systemd (sd_notify). */
import { spawn } from 'node:child_process';

/** Sends one notice: `ready` is called once. */
interface ServiceManager {
  readonly ready: () => void;
}

/** The manager that started this process and asked for notices (`Type=notify`), by NOTIFY_SOCKET in `environment`.
 * The variable is taken out: no process that this one starts speaks for the service. Without it nothing is sent.
 *
 * Node cannot send to a socket of datagrams, so `program` does, in the background. A notice that cannot be sent is a
 * call of `warn`: the manager ends the service once its own time for a start is over. */
export function serviceManager(
  warn: (sentence: string) => void,
  environment = process.env,
  program = 'systemd-notify',
): ServiceManager {
  const { NOTIFY_SOCKET } = environment;
  delete environment['NOTIFY_SOCKET'];
  if ((NOTIFY_SOCKET ?? '') === '') return { ready: () => undefined };
  return {
    ready: () => {
      const env = { PATH: environment['PATH'], NOTIFY_SOCKET };
      const child = spawn(program, ['--ready', '--status=Ready'], { env, stdio: 'ignore' });
      child.on('error', (error) => {
        warn(unsent(error.message));
      });
      child.on('exit', (status) => {
        if (status !== 0) warn(unsent(`it ended with ${status ?? 'a signal'}`));
      });
    },
  };
}

const unsent = (reason: string): string =>
  `systemd-notify cannot notify the service manager that Mayfly is ready: ${reason}`;
