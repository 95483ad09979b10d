/**
 * Prints figures of the tree's shape, to compare one commit with another:
 *
 *     npm run --silent structure -- [CHECKOUT]
 *
 * Tests, benchmarks and attacks are left out, except where a line says so.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';

const root = process.argv[2] ?? dirname(import.meta.dirname);
const all = execFileSync('git', ['ls-files', '*.ts'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(root, file)));
const isOutside = (file: string): boolean => /^(?:test|bench|abuse|campaign)\//.test(file);
const texts = new Map(all.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
const source = all.filter((file) => !isOutside(file));

const linesOf = (file: string): number => (texts.get(file) ?? '').split('\n').length - 1;

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** File → the source files that import it. */
const importers = new Map<string, Set<string>>();
for (const file of source)
  for (const [, path = ''] of (texts.get(file) ?? '').matchAll(/'(\.{1,2}\/[^']+\.ts)'/g)) {
    const target = normalize(join(dirname(file), path));
    importers.set(target, (importers.get(target) ?? new Set()).add(file));
  }

/** Members of every interface and object type that has a name, by that name. */
const members = new Map<string, number>();
/** Names of types that some function or constructor takes. */
const taken = new Set<string>();
let packed = 0;
for (const file of source) {
  const tree = ts.createSourceFile(file, texts.get(file) ?? '', ts.ScriptTarget.Latest);
  const visit = (node: ts.Node): void => {
    if (ts.isInterfaceDeclaration(node)) members.set(`${node.name.text} (${file})`, node.members.length);
    if (ts.isParameter(node) && node.type !== undefined && ts.isTypeReferenceNode(node.type))
      taken.add(node.type.typeName.getText(tree));
    if (ts.isSpreadAssignment(node) && ts.isObjectLiteralExpression(node.expression)) packed++;
    ts.forEachChild(node, visit);
  };
  visit(tree);
}
const [longest] = [...members]
  .filter(([name]) => taken.has(name.slice(0, name.indexOf(' '))))
  .sort(([, a], [, b]) => b - a);

const exported = source.flatMap((file) =>
  [...(texts.get(file) ?? '').matchAll(/^export (?:abstract )?(?:class|interface|type) (\w+)/gm)].map(
    ([, name]) => name,
  ),
);
const once = source.filter((file) => importers.get(file)?.size === 1);
const figures: readonly (readonly [string, number | string])[] = [
  ['source files', source.length],
  ['lines of the median file', median(source.map(linesOf))],
  ['files over 200 lines', source.filter((file) => linesOf(file) > 200).length],
  ['files with one importer', once.length],
  ['  under 30 lines', once.filter((file) => linesOf(file) < 30).length],
  ['longest interface that a function takes', `${longest?.[1] ?? 0} members: ${longest?.[0] ?? ''}`],
  ['exported types that share a name', exported.length - new Set(exported).size],
  ['objects packed into a spread', packed],
  ['test files', all.filter((file) => file.endsWith('.test.ts')).length],
];
for (const [name, figure] of figures) console.log(`${name.padEnd(40)} ${figure}`);
