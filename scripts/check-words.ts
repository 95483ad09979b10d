/**
 * Keeps the field's words: fails on words of our own where the field has one, in code, comments, test names and docs.
 *
 *     node scripts/check-words.ts [PATH…]
 */
import { readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';

/** What is not to be written → what to write instead. Read case-insensitively, whole words. */
const WORDS: readonly (readonly [pattern: RegExp, instead: string])[] = [
  // But for one message on the wire, which stays as it is.
  [
    /\b(?:told|tells?(?!(?: at the moment)? whether the token was used)|telling|tellable)\b/gi,
    'logged, reported, says, named, distinguished',
  ],
  [/\b(?:strangers?|whoever|whosoever)\b/gi, 'untrusted caller, client, anyone who'],
  [/\b(?:un)?mend(?:s|ed|ing|able)?\b/gi, 'fix, remedy'],
  [/\bgives\b(?! up)/gi, 'returns, has, makes'],
  [/\bnobody waits\b/gi, 'no waiter is left'],
  [/\bin earnest\b/gi, 'in production'],
  [/\bput(?:s|ting)? aside\b/gi, 'rotate'],
  [/\b(?:for trying|ForTrying)\b/gi, 'for development'],
  [/\b(?:patience|salvage|last words|habits?)\b/gi, 'the name of the limit or of what it is'],
  [/\bsee (?:above|below|the (?:top|head) of (?:the|this) file)\b/gi, 'the sentence itself'],
  [/\/\*\* see [{`]/gi, 'what it is; a link may follow'],
  [/\.\.\.\{ /g, 'the properties themselves, without a spread'],
];

/** Messages on the wire that clients may know by their text. */
const KEPT = [
  'the service cannot tell whether the token was used before',
  'the service cannot tell at the moment whether the token was used before',
];

/** Files that quote what others wrote, or that say what changed long ago. */
const EXEMPT = /^(?:test\/vectors\/|CHANGELOG\.md$|package-lock\.json$|scripts\/check-words\.ts$)/;
const READ = /\.(?:ts|js|md|yaml|yml)$|^\.ci\/run$|^Dockerfile$/;

const root = dirname(import.meta.dirname);
const wanted = process.argv.slice(2);
const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '--', ...wanted], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => READ.test(file) && !EXEMPT.test(file));

let found = 0;
for (const file of files) {
  let text: string;
  try {
    text = readFileSync(join(root, file), 'utf8');
  } catch {
    continue; // Deleted, but not yet committed.
  }
  for (const [number, line] of text.split('\n').entries()) {
    const read = KEPT.reduce((left, kept) => left.replaceAll(kept, ''), line);
    for (const [pattern, instead] of WORDS)
      for (const [word] of read.matchAll(pattern)) {
        found++;
        console.error(`${file}:${number + 1}: "${word.trim()}": write ${instead}`);
      }
  }
}
if (found > 0) process.exit(1);
