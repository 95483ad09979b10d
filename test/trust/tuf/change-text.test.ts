import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { generateKey } from '../../../signers/key-types.ts';
import { localSigner } from '../../../signers/local-signer.ts';
import { describeChange, unfitParts } from '../../../trust/tuf/change-text.ts';
import { encodeSigningConfig, type SigningConfig } from '../../../trust/format/signing-config.ts';
import { createRepository } from '../../../trust/tuf/create-repository.ts';
import { signMetadata } from '../../../trust/tuf/metadata.ts';
import { keysOf, newRoot } from '../../../trust/tuf/new-metadata.ts';
import { ROLES } from '../../../trust/tuf/roles.ts';
import { stageChange, stateOf } from '../../../trust/tuf/stage-change.ts';
import {
  encodeStagedChange,
  parseStagedChange,
  type StagedChange,
} from '../../../trust/tuf/staged-change.ts';
import type { TargetContents } from '../../../trust/tuf/target-contents.ts';
import { tufKey } from '../../../trust/tuf/tuf-key.ts';
import { olderTargets } from '../../../trust/tuf/sigstore-targets.ts';
import { parseTrustedRoot } from '../../../trust/format/trusted-root.ts';
import { projectRoot } from '../../support/project-root.ts';
import { removeScratch, scratchDirectory, testRepository } from './support/repository.ts';

const shape = (name: string): string =>
  readFileSync(join(projectRoot, `test/vectors/trust-shapes/${name}/trusted_root.json`), 'utf8');

const service = (url: string): SigningConfig['certificateAuthorities'][number] => ({
  url,
  majorApiVersion: 1,
  operator: 'example.org',
  window: { start: 0 },
});
const signing = (...urls: readonly string[]): string =>
  encodeSigningConfig({
    certificateAuthorities: urls.map(service),
    openidProviders: [],
    artifactLogs: [],
    timestampAuthorities: [],
  });
const USAGE = { usage: 'CTFE', status: 'Active', uri: 'https://log.test' } as const;
const targets = (over: Readonly<Record<string, string>> = {}): TargetContents =>
  new Map([
    ['trusted_root.json', { text: over['root'] ?? shape('ca-only') }],
    ['signing_config.v0.2.json', { text: over['signing'] ?? signing('https://ca.example.org') }],
    ...olderTargets(parseTrustedRoot(over['older'] ?? shape('ca-only')), Date.now()),
  ]);

const NO_EDITS = { add: [], remove: [] };

/** The change of a repository with the targets `before` to `after`, as it comes out of its file. */
async function changeOf(before: TargetContents, after: TargetContents, renew = false): Promise<StagedChange> {
  const now = Date.now();
  const [rootKey, onlineKey] = [await generateKey('p256'), await generateKey('p256')];
  const directory = join(scratchDirectory(), 'tuf');
  const repository = await createRepository(directory, {
    rootKey,
    onlineKey,
    contents: before,
    now: now - 10_000,
  });
  const staged = stageChange(repository, { contents: after, root: NO_EDITS, targets: NO_EDITS, renew }, now);
  if (staged === undefined) throw new Error('nothing would change');
  return parseStagedChange(encodeStagedChange(staged));
}

const textOf = (change: StagedChange): string => describeChange(change, Date.now()).join('\n');

describe('trust/tuf/change-text', () => {
  afterEach(removeScratch);

  it('says all that holds afterwards, also where the file says that it was in force before', async () => {
    const evil = targets({ root: shape('rekor1-tsa'), older: shape('rekor1-tsa') });
    const change = await changeOf(evil, evil, true);
    const text = textOf(change);
    expect(text).to.include('Clients get the same files as before.');
    for (const [name, { text: file }] of evil)
      expect(text).to.include(`    ${hash('sha256', file, 'hex')}  ${name}\n`);
    expect(text).to.match(
      /What trusted_root\.json trusts then:\n {4}CA .*, from .*\n {8}SHA-256 of its certificate [0-9a-f]{64}/,
    );
    expect(text)
      .to.match(/ {4}timestamp authority /)
      .and.to.match(/ {4}artifact log .*\n {8}id .*, SHA-256 of its key /);

    // A root that its own key signed, and under it whatever the server likes.
    const forger = localSigner(await generateKey('p256'));
    const key = { keys: [tufKey(forger.publicKey)], threshold: 1 };
    const root = newRoot(1, { ...keysOf(change.before.root.signed), root: key, targets: key }, Date.now());
    const forged = { ...change, before: { ...change.before, root } };
    await signMetadata(root, forger);
    await signMetadata(forged.before.targets, forger);
    expect(textOf(parseStagedChange(encodeStagedChange(forged)))).to.include(
      hash('sha256', shape('rekor1-tsa'), 'hex'),
    );
  });

  it('names every entry of the new root, also a second one for the same CA, and the key of each log', async () => {
    const json = JSON.parse(shape('ca-only')) as {
      certificateAuthorities: { validFor: { end?: string } }[];
      ctlogs: { publicKey: { rawBytes: string } }[];
    };
    const [first] = json.certificateAuthorities;
    json.certificateAuthorities.push(structuredClone(first ?? { validFor: {} }));
    if (first !== undefined) first.validFor.end = '2026-11-01T00:00:00Z';
    const other = localSigner(await generateKey('p256')).publicKey;
    for (const { publicKey } of json.ctlogs) publicKey.rawBytes = Buffer.from(other).toString('base64');
    const change = await changeOf(targets(), targets({ root: JSON.stringify(json) }));
    const text = textOf(change);
    // Where such a root cannot be read, that is said instead.
    if (unfitParts(change, Date.now()).some((part) => /cannot be read/.test(part)))
      expect(text).to.include('ATTENTION: trusted_root.json cannot be read');
    else {
      expect(text.match(/^ {4}CA .*\n {8}SHA-256 of its certificate /gm)).to.have.length(2);
      expect(text).to.include(hash('sha256', other, 'hex'));
    }
  });

  it('says loudly that a root or a signing config cannot be read, and what is new where only the old one cannot', async () => {
    const unknown = JSON.stringify({ ...(JSON.parse(shape('rekor1-tsa')) as object), comment: 1 });
    for (const [part, name] of [
      ['root', 'trusted_root.json'],
      ['signing', 'signing_config.v0.2.json'],
    ] as const) {
      const change = await changeOf(targets(), targets({ [part]: unknown }));
      expect(textOf(change)).to.include(`ATTENTION: ${name} cannot be read`);
      expect(unfitParts(change, Date.now()).join()).to.include(`${name} cannot be read`);
      const back = await changeOf(targets({ [part]: unknown }), targets());
      expect(textOf(back))
        .to.include('what is in force cannot be compared with')
        .and.to.not.include('ATTENTION');
      expect(unfitParts(back, Date.now())).to.deep.equal([]);
    }
    const gone = await changeOf(targets(), new Map([['ctfe.pub', { text: 'a key\n' }]]));
    expect(textOf(gone)).to.include('ATTENTION: there is no trusted_root.json');
    expect(unfitParts(gone, Date.now())).to.deep.equal(['there is no trusted_root.json']);
  });

  it('says where clients would send their identity tokens', async () => {
    const change = await changeOf(
      targets(),
      targets({ signing: signing('https://evil.example.org', 'https://x.test') }),
    );
    const text = textOf(change);
    expect(text).to.include(
      '    - new for signing: CA https://evil.example.org of example.org, version 1, from 1970',
    );
    expect(text).to.include('    - no longer for signing: CA https://ca.example.org');
    const [a, b] = [signing('https://a.test', 'https://b.test'), signing('https://b.test', 'https://a.test')];
    const reordered = await changeOf(targets({ signing: a }), targets({ signing: b }));
    expect(textOf(reordered)).to.include('stand in another order');
  });

  it('says what a file is for where only that changes', async () => {
    const key = { text: 'a key\n', usage: USAGE };
    const ended = new Map([
      ...targets(),
      ['ctfe.pub', { ...key, usage: { ...USAGE, status: 'Expired' } }],
    ]) as TargetContents;
    const text = textOf(await changeOf(ended, new Map([...targets(), ['ctfe.pub', key]])));
    expect(text).to.include(
      'What ctfe.pub is for changes: older tools read usage CTFE, status Active, uri https://log.test, and read usage CTFE, status Expired, uri https://log.test before.',
    );
    expect(text).to.not.include('ctfe.pub changes (SHA-256');
  });

  it('names every file for older tools that the trusted root does not lead to, and lets nobody sign it', async () => {
    const right = targets();
    expect(unfitParts(await changeOf(right, right, true), Date.now())).to.deep.equal([]);
    const pem = right.get('fulcio_v1.crt.pem');
    if (pem === undefined) throw new Error('there is no such target');
    const other = { ...pem, text: `${pem.text}\n` };
    const usage = { ...USAGE, status: 'Expired' } as const;
    const without = [...right].filter(([name]) => name !== 'fulcio_v1.crt.pem');
    const rows: readonly (readonly [TargetContents, string])[] = [
      [new Map([...right, ['fulcio_v1.crt.pem', other]]), 'fulcio_v1.crt.pem is not the file'],
      [new Map([...right, ['fulcio_v1.crt.pem', { ...pem, usage }]]), 'fulcio_v1.crt.pem is not the file'],
      [new Map([...right, ['fulcio_v9.crt.pem', pem]]), 'fulcio_v9.crt.pem does not follow from'],
      [new Map(without), 'fulcio_v1.crt.pem is missing'],
    ];
    for (const [after, sentence] of rows) {
      const change = await changeOf(right, after, true);
      expect(textOf(change)).to.include(`ATTENTION: ${sentence}`);
      expect(unfitParts(change, Date.now()).join()).to.include(sentence);
    }
    // What ended since does not count any more.
    const json = JSON.parse(shape('ca-only')) as { certificateAuthorities: { validFor: { end?: string } }[] };
    for (const { validFor } of json.certificateAuthorities) validFor.end = '2026-11-01T00:00:00Z';
    const ended = await changeOf(right, targets({ root: JSON.stringify(json) }));
    expect(unfitParts(ended, Date.now()).join()).to.include('fulcio_v1.crt.pem does not follow from');
    expect(unfitParts(ended, Date.parse('2026-10-31T00:00:00Z')).join()).to.not.include('follow from');
  });

  it('lets nobody sign what the clock does not reach, what counts for too long, or members that no line names', async () => {
    const change = await changeOf(targets(), targets(), true);
    const day = 86_400_000;
    const rows: readonly (readonly [object, string])[] = [
      [{ targets: { version: Number.MAX_SAFE_INTEGER } }, 'the targets have version 9007199254740991'],
      [
        { targets: { expires: '9999-12-31T23:59:59Z' } },
        'the targets would count until 9999-12-31T23:59:59Z',
      ],
      [{ root: { expires: '9999-12-31T23:59:59Z' } }, 'the root would count until 9999-12-31T23:59:59Z'],
      [{ targets: { more: true } }, 'the targets metadata has members'],
      [{ root: { more: true } }, 'the root metadata has members'],
      [{ root: { spec_version: '1.0.99' } }, 'the root metadata has members'],
      [{ root: { roles: { root: { more: 1 } } } }, 'the root metadata has members'],
      [
        { targets: { targets: { 'trusted_root.json': { custom: { sigstore: {} } } } } },
        'says more of trusted_root.json',
      ],
      [
        { targets: { targets: { 'signing_config.v0.2.json': { note: '' } } } },
        'says more of signing_config.v0.2.json',
      ],
    ];
    const merged = (value: unknown, over: unknown): unknown =>
      typeof over === 'object' && over !== null && typeof value === 'object' && value !== null
        ? {
            ...value,
            ...Object.fromEntries(
              Object.entries(over).map(([k, v]) => [k, merged((value as Record<string, unknown>)[k], v)]),
            ),
          }
        : over;
    for (const [over, sentence] of rows) {
      const json = JSON.parse(encodeStagedChange(change)) as Record<'root' | 'targets', { signed: unknown }>;
      for (const [part, members] of Object.entries(over) as ['root' | 'targets', unknown][])
        json[part].signed = merged(json[part].signed, members);
      const unfit = unfitParts(parseStagedChange(JSON.stringify(json)), Date.now());
      expect(unfit, JSON.stringify(over)).to.have.length(1);
      expect(unfit.join()).to.include(sentence);
    }
    expect(unfitParts(change, Date.now())).to.deep.equal([]);
    // The clock of those who sign may be behind by hours.
    expect(unfitParts(change, Date.now() - day / 2)).to.deep.equal([]);
    expect(unfitParts(change, Date.now() - 2 * day).join()).to.include('does not reach');
  });

  it('shows those who sign a root every key that counts then, with its whole id', async () => {
    const change = await changeOf(targets(), targets(), true);
    const keys = keysOf(change.root?.signed ?? change.before.root.signed);
    for (const role of ROLES)
      expect(textOf(change)).to.include(`    ${role}: 1 of\n      ${keys[role].keys[0]?.keyID}`);
  });

  it('takes a target for no member that every object has', async () => {
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
      const change = await changeOf(targets(), new Map([...targets(), [name, { text: 'x' }]]));
      expect(textOf(change)).to.match(new RegExp(` {2}${name} is new \\(SHA-256 [0-9a-f]{64}\\)\\.`));
      expect(unfitParts(change, Date.now()).join()).to.include(`${name} does not follow from`);
    }
  });

  it('describes a change from another state than its own, too', async () => {
    const made = await testRepository();
    const change = await changeOf(targets(), targets({ signing: signing('https://b.test') }));
    const text = textOf({ ...change, before: stateOf(await made.read()) });
    expect(text).to.include('trusted_root.json changes').and.to.include('signing_config.v0.2.json is new');
  });
});
