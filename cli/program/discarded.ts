import type { Discarded } from '../../instance/successor.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import type { Speaker } from './command.ts';
import { invocation } from './invocation.ts';

/** What `--discard` answers. */
export function discardAnswer({ ended, removed }: Discarded, data: string): Parameters<Speaker['answer']> {
  const lines = [
    'Given up: what was to follow. It signed nothing, and what signs now goes on.',
    ...ended.map(({ name, id }) => `  ${name} is trusted for no time any more\n  SHA-256 ${id}`),
    ...removed.map((file) => `  removed ${file}`),
    ...(ended.length === 0
      ? []
      : [
          'Verifiers that got it go on trusting it until they have newer files. Hand them out:',
          `  ${invocation()} trust export --data ${quotedPath(data)} --out DIR`,
        ]),
    'Then begin anew with --csr. Backups have the key: it must not be put back.',
  ];
  return [{ ended: ended.map(({ name, id }) => ({ name, sha256: id })), removed }, lines.join('\n')];
}
