import type { Discarded } from '../../instance/discarded.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import type { TrustEntry } from '../../trust/entries.ts';
import type { Speaker } from './command.ts';
import { invocation } from './invocation.ts';

/** What `--discard` answers; `again` says how another one is begun. */
export function discardAnswer(
  { ended, removed }: Discarded,
  data: string,
  again: string,
): Parameters<Speaker['answer']> {
  if (removed.length === 0)
    return [
      { ended: [], removed },
      `Nothing is staged, and nothing is left to be given up. Another one is begun ${again}.`,
    ];
  const lines = [
    'Given up: what was to follow. It signed nothing, and what signs now goes on.',
    ...ended.map((entry) => `  ${entry.name} is trusted for no time any more\n  ${idLine(entry)}`),
    ...removed.map((file) => `  removed ${file}`),
    ...(ended.length === 0
      ? []
      : [
          'Verifiers that got it go on trusting it until they have newer files. Hand them out:',
          `  ${invocation()} trust export --data ${quotedPath(data)} --out DIR`,
        ]),
    `Then begin anew ${again}. Backups have the key: it must not be put back.`,
  ];
  return [{ ended: ended.map(factsOf), removed }, lines.join('\n')];
}

const isLog = ({ list }: TrustEntry): boolean => list === 'certificateLogs' || list === 'artifactLogs';

const idLine = (entry: TrustEntry): string => (isLog(entry) ? `Log id ${entry.id}` : `SHA-256 ${entry.id}`);

const factsOf = (entry: TrustEntry): Readonly<Record<string, string>> =>
  isLog(entry) ? { name: entry.name, logId: entry.id } : { name: entry.name, sha256: entry.id };
