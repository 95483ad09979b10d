/** Every link, path and quoted section of the documentation, and every page that the code names: all of them exist. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { expect } from 'chai';
import type { Command } from 'commander';
import { programFor } from '../cli/main.ts';
import { projectRoot } from './support/project-root.ts';

const PAGES = ['docs', 'README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'test/README.md'];

/** Folders of the data directory, which have the names of folders here. */
const OF_THE_DATA_DIRECTORY = new Set([
  'ca/former',
  'ca/chain.pem',
  'tsa/chain.pem',
  'tsa/next.pem',
  'tsa/former',
  'trust/trusted_root.json',
]);

/**
 * Sections, or whole pages, whose commands are run by a test that does not name page and section, or by none, and why.
 * A new block is to be run by a test: test/cli/documented-pages.long.test.ts has a service for that.
 */
const RUN_OTHERWISE: Readonly<Record<string, string>> = {
  'README.md#Try it': 'installs and starts a checkout, as test/installation.long.test.ts does',
  'README.md#Work on it': 'runs these tests',
  'docs/admission.md#Admission controllers':
    'test/judges/admission.long.test.ts writes such policies for the controllers themselves',
  'docs/deny-list.md#The deny list': 'test/cli/documented-pages.long.test.ts takes it by its first words',
  'docs/explain.md#Cases for your own CI':
    'test/cli/config/config-test.long.test.ts takes it by its first words',
  'docs/grpc.md#Services':
    'grpcurl is on few machines; test/server/grpc/protocol.test.ts makes the same call',
  'docs/install.md': 'test/packaging/install-document.long.test.ts runs the whole page',
  'docs/providers.md': 'written by `npm run docs` from what test/config/presets/presets.test.ts tries',
  'docs/tuf.md#Serve it from elsewhere':
    'test/trust/tuf/mirror.long.test.ts takes the script by its first words',
};

const PROGRAMS =
  'mayfly(?:\\.js)?|cat|cosign|cp|crane|ctclient|curl|docker|gh|git|go|grpcurl|kubectl|mv|node|npm|npx|openssl|podman|rm|rsync|sed|sh|sigstore|sudo|systemctl|tar';
const COMMAND = new RegExp(`^ *(?:\\$ )?(?:\\w+=\\S* )*(?:\\./bin/)?(?:${PROGRAMS}) `, 'm');

const read = (file: string): string => readFileSync(join(projectRoot, file), 'utf8');

const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
  cwd: projectRoot,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(projectRoot, file)));
const pages = files.filter(
  (file) => file.endsWith('.md') && PAGES.some((page) => file === page || file.startsWith(`${page}/`)),
);
const folders = new Set(files.flatMap(foldersOf));
const names = new Set(files.map((file) => basename(file)));

function foldersOf(file: string): string[] {
  const folder = dirname(file);
  return folder === '.' ? [] : [folder, ...foldersOf(folder)];
}

/** A page without its blocks of code. */
const proseOf = (page: string): string => read(page).replaceAll(/^( *)```[^]*?^\1```$/gm, '');

const headingsOf = (page: string): string[] =>
  [...proseOf(page).matchAll(/^#{1,6} (.*)$/gm)].map(([, heading = '']) => heading.replaceAll('`', ''));

/** What a link to a page may have behind its `#`: the headings as GitHub names them, and anchors written out. */
function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  for (const heading of headingsOf(page)) {
    const name = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-');
    let anchor = name;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${name}-${n}`;
    anchors.add(anchor);
  }
  for (const [, id = ''] of proseOf(page).matchAll(/<a id="([^"]+)">/g)) anchors.add(id);
  return anchors;
}

/** The headings above each block of commands for a shell, the nearest last. */
function* shellBlocks(page: string): Generator<readonly string[]> {
  const headings: string[] = [];
  for (const [, level, heading = '', language, block = ''] of read(page).matchAll(
    /^(#+) (.*)$|^ *```(.*)\n([^]*?)^ *```$/gm,
  )) {
    if (level !== undefined) headings.splice(level.length - 1, Infinity, heading);
    else if (['', 'sh'].includes(language ?? '') && COMMAND.test(block)) yield [...headings];
  }
}

/** A test with the helpers that it imports, in which it may name a page. */
function withHelpers(test: string): string {
  const text = read(test);
  const helpers = [...text.matchAll(/from '(\.[^']*\/support\/[^']*)'/g)].map(([, path = '']) =>
    read(normalize(join(dirname(test), path))),
  );
  return [text, ...helpers].join('\n');
}

/** What is wrong with one link of a page; undefined when nothing is. */
function linkFault(page: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : normalize(join(dirname(page), path));
  if (!existsSync(join(projectRoot, target))) return `${page}: ${link}: there is no ${target}`;
  if (anchor === undefined || !target.endsWith('.md') || anchorsOf(target).has(anchor)) return undefined;
  return `${page}: ${link}: ${target} has no such heading`;
}

/** Whether a text in backticks is a path of this repository that does not exist. */
function isMissing(text: string): boolean {
  if (/^[\w.-]+\.(?:test\.)?ts$/.test(text)) return !names.has(text);
  const path = text.replace(/\/$/, '');
  if (!/^[\w.-]+(?:\/[\w.-]+)+$/.test(path) || OF_THE_DATA_DIRECTORY.has(path)) return false;
  const [first = ''] = path.split('/');
  const isOurs = folders.has(first) && (/\.(?:ts|js|md|yaml|json)$/.test(path) || !/\.\w+$/.test(path));
  return isOurs && !files.includes(path) && !folders.has(path);
}

/** Each name of code that a text says is in a file: `name` in `file`, `name` (`file`), `file` (`name`). */
function* namesWithFiles(text: string): Generator<readonly [name: string, file: string]> {
  const name = '`#?([A-Za-z]\\w*)(?:\\(\\))?`';
  const file = '`([\\w-]+(?:/[\\w.-]+)+\\.(?:ts|js))`';
  for (const [, one = '', at = ''] of text.matchAll(new RegExp(`${name}(?: in| of| \\()\\s*${file}`, 'g')))
    yield [one, at];
  for (const [, at = '', one = ''] of text.matchAll(new RegExp(`${file} \\(${name}`, 'g'))) yield [one, at];
}

/** The words behind each `mayfly` of a page's code, up to what ends a command in a shell. */
function* invocations(page: string): Generator<readonly string[]> {
  const text = read(page).replaceAll(/\\\n\s*/g, ' ');
  for (const [, words = ''] of text.matchAll(
    /(?:`|^ *(?:\$ )?|[\s(/])mayfly(?:\.js)? ([a-z-][^`\n|>#;&)]*)/gm,
  ))
    yield words.trim().split(/\s+/);
}

/** What is wrong with a command line; undefined when nothing is, or when it is none. */
function invocationFault(program: Command, words: readonly string[]): string | undefined {
  let command = program;
  let depth = 0;
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word);
    if (next === undefined) break;
    command = next;
    depth++;
  }
  const options = words.flatMap((word) => /^--[a-z][a-z0-9-]*/.exec(word) ?? []);
  // A sentence that goes on behind the name, or an option of the program itself.
  if (depth === 0) return undefined;
  const known = new Set(['--help', '--version', '--json', ...command.options.map(({ long }) => long)]);
  const unknown = options.filter((option) => !known.has(option));
  return unknown.length === 0 ? undefined : `${words.join(' ')}: no ${unknown.join(', ')}`;
}

describe('the documentation', () => {
  it('has only links that lead to a page and a heading', () => {
    const faults: string[] = [];
    // Old anchors that the changelog links to must stay, too.
    for (const page of [...pages, 'CHANGELOG.md'])
      for (const [, link = ''] of proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(link)) continue;
        const fault = linkFault(page, link);
        if (fault !== undefined) faults.push(fault);
      }
    expect(pages.length).to.be.above(20);
    expect(faults).to.deep.equal([]);
  });

  it('lists every page in docs/README.md', () => {
    const text = read('docs/README.md');
    const others = pages.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md');
    expect(others.filter((page) => !text.includes(`](${page.slice('docs/'.length)})`))).to.deep.equal([]);
  });

  it('lists every helper of the tests in test/README.md', () => {
    const helpers = files.filter(
      (file) =>
        /^test\/(?:.*\/)?(?:support|differential)\//.test(file) && !/\.(?:test|suite)\.ts$/.test(file),
    );
    // A row stands for a file, or for all of a folder.
    const listed = [...read('test/README.md').matchAll(/^\| \[([\w./-]+)\]\(/gm)].map(
      ([, name = '']) => `test/${name}`,
    );
    const isListed = (file: string): boolean =>
      listed.includes(file) || listed.some((name) => name.endsWith('/') && file.startsWith(name));
    expect(helpers.length).to.be.above(60);
    expect(helpers.filter((file) => !isListed(file))).to.deep.equal([]);
    const gone = (name: string): boolean => !files.includes(name) && !folders.has(name.replace(/\/$/, ''));
    expect(listed.filter(gone)).to.deep.equal([]);
  });

  it('names only paths that exist', () => {
    const faults: string[] = [];
    for (const page of pages)
      for (const [, text = ''] of proseOf(page).matchAll(/`([^`\n]+)`/g))
        if (isMissing(text)) faults.push(`${page}: ${text}`);
    expect(faults).to.deep.equal([]);
  });

  it('names only what the file beside it has', () => {
    const faults: string[] = [];
    let names = 0;
    for (const page of pages)
      for (const [name, file] of namesWithFiles(proseOf(page))) {
        names++;
        if (!existsSync(join(projectRoot, file)) || !read(file).includes(name))
          faults.push(`${page}: ${file} has no ${name}`);
      }
    expect(names).to.be.above(50);
    expect(faults).to.deep.equal([]);
  });

  it('calls only commands that exist, with options that they have', async () => {
    const program = await programFor(['completion'], false);
    const faults: string[] = [];
    let calls = 0;
    for (const page of pages)
      for (const words of invocations(page)) {
        calls++;
        const fault = invocationFault(program, words);
        if (fault !== undefined) faults.push(`${page}: ${fault}`);
      }
    expect(calls).to.be.above(100);
    expect(faults).to.deep.equal([]);
  });

  it('has no block of commands that no test runs, but for those that say why', () => {
    const tests = files
      .filter((file) => /^test\/.*\.(?:test|suite)\.ts$/.test(file) && file !== 'test/docs.test.ts')
      .map(withHelpers);
    const isNamed = (page: string, headings: readonly string[]): boolean =>
      tests.some(
        (text) =>
          text.includes(basename(page)) &&
          headings.some((heading) =>
            ["'", '"', '# '].some((before) =>
              ["'", '"', '\\n'].some((after) => text.includes(before + heading + after)),
            ),
          ),
      );
    const unused = new Set(Object.keys(RUN_OTHERWISE));
    const faults: string[] = [];
    let blocks = 0;
    for (const page of pages.filter((one) => one === 'README.md' || one.startsWith('docs/')))
      for (const headings of shellBlocks(page)) {
        blocks++;
        const section = `${page}#${headings.at(-1) ?? ''}`;
        const reason = [page, section].find((name) => name in RUN_OTHERWISE);
        if (reason !== undefined) unused.delete(reason);
        else if (!isNamed(page, headings.slice(1))) faults.push(section);
      }
    expect(blocks).to.be.above(100);
    expect(faults).to.deep.equal([]);
    expect([...unused], 'reasons for what is not there').to.deep.equal([]);
    const named = Object.values(RUN_OTHERWISE).flatMap((reason) => reason.match(/test\/[\w/.-]+\.ts/g) ?? []);
    expect(named.filter((file) => !files.includes(file))).to.deep.equal([]);
  });

  it('names tests by titles that they have', () => {
    const faults: string[] = [];
    let titles = 0;
    for (const page of pages)
      for (const [, test = '', said = ''] of proseOf(page).matchAll(
        /`(test\/[\w./-]+\.ts)`: ((?:_[^_|]+_(?:; | and )?)+)/g,
      ))
        for (const [, title = ''] of said.matchAll(/_([^_]+)_/g)) {
          titles++;
          const source = existsSync(join(projectRoot, test)) ? read(test) : '';
          // An ellipsis stands for what differs between several titles.
          for (const part of title.split(/ ?… ?/))
            if (!source.includes(part.replaceAll("'", "\\'")) && !source.includes(part))
              faults.push(`${page}: ${test}: ${title}`);
        }
    expect(titles).to.be.above(10);
    expect(faults).to.deep.equal([]);
  });

  it('has every page that the code names, with the section that it names', () => {
    const faults: string[] = [];
    const sources = files.filter((file) => /^(?!test\/|node_modules\/).*\.(?:ts|js|service)$/.test(file));
    for (const file of sources) {
      const text = read(file);
      for (const [, page = ''] of text.matchAll(/\b(docs\/[\w./-]*\w\.(?:md|json|yaml))\b/g))
        if (!existsSync(join(projectRoot, page))) faults.push(`${file}: ${page}`);
      for (const [, page = '', section = ''] of text.matchAll(
        /\b(?:docs\/)?([a-z-]+\.md),?[^"“\n]{0,20}["“]([A-Z][^"”]+)["”]/g,
      ))
        if (!headingsOf(`docs/${page}`).includes(section)) faults.push(`${file}: ${page}, ${section}`);
    }
    expect(faults).to.deep.equal([]);
  });
});
