import { CommandError, notify } from './command.ts';
import { isTerminal } from './standard-streams.ts';

/** Characters of a secret. */
const MAX_LENGTH = 512;

/** What asks the person at the terminal for a secret, which is not shown; undefined where there is no terminal. Ends the program at Ctrl-C. */
export const secretAsker = (): ((question: string) => Promise<string>) | undefined =>
  process.stdin.isTTY && isTerminal(2) ? askSecret : undefined;

async function askSecret(question: string): Promise<string> {
  notify(question.trimEnd());
  const { stdin } = process;
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  let secret = '';
  try {
    for await (const typed of stdin as AsyncIterable<string>)
      for (const char of typed) {
        if (char === '\r' || char === '\n') return secret;
        // Ctrl-C, Ctrl-D.
        if (char === '\x03' || char === '\x04') throw new CommandError('USAGE', 'nothing was entered');
        secret =
          char === '\x7f' || char === '\b' ? secret.slice(0, -1) : (secret + char).slice(0, MAX_LENGTH);
      }
    return secret;
  } finally {
    stdin.setRawMode(false);
  }
}
