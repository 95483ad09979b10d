import type { MutatedFile } from './mutant.ts';

const OF_REPOSITORIES = ['test/trust/tuf/publish.test.ts', 'test/trust/tuf/formats.test.ts'];
const OF_UPKEEP = ['test/trust/tuf/upkeep.test.ts'];
const OF_CHANGES = ['test/trust/tuf/change-text.test.ts', ...OF_REPOSITORIES, 'test/cli/trust/tuf.test.ts'];
const OF_FETCHES = ['test/cli/trust/trust-fetch.test.ts'];
const OF_LEDGER = ['test/trust/ledger.test.ts'];

/** What decides whom clients trust, and from when until when: `trust/`, the TUF repository, and who fetches it. */
export const TRUST: readonly MutatedFile[] = [
  {
    file: 'trust/tuf/metadata.ts',
    tests: [...OF_REPOSITORIES, ...OF_FETCHES],
    mutants: [
      [
        'takes metadata with one signature too few',
        '(root.roles[role]?.threshold ?? Infinity) - signersOf',
        '(root.roles[role]?.threshold ?? Infinity) - 1 - signersOf',
      ],
      ['counts a signature that does not hold', '    key.verifySignature(metadata);\n', ''],
      [
        'follows roots that one key signed under two ids',
        "if (distinctKeys(signers) < (signed.roles['root']?.threshold ?? Infinity))",
        'if (distinctKeys(signers) < 0)',
      ],
      [
        'counts one key twice that has two ids',
        'if (distinctKeys(found) !== found.length)',
        'if (distinctKeys(found) < 0)',
      ],
      [
        'takes targets that hand their role on',
        'if (signed instanceof Targets && signed.delegations !== undefined)',
        'if (false)',
      ],
      [
        'takes a key under the id of another',
        'for (const key of Object.values(signed.keys)) requireOwnId(key);',
        '',
      ],
    ],
  },
  {
    file: 'trust/tuf/import-change.ts',
    tests: ['test/trust/tuf/stock-clients.test.ts', ...OF_CHANGES],
    mutants: [
      [
        'publishes a root that does not follow the one in force',
        'if (version !== last + 1)',
        'if (version < last + 1)',
      ],
      [
        'publishes a root that the keys of before did not sign',
        "requireSigned('root', root, [old, root]);",
        "requireSigned('root', root, [root]);",
      ],
      [
        'publishes a root that its own keys did not sign',
        "requireSigned('root', root, [old, root]);",
        "requireSigned('root', root, [old]);",
      ],
      [
        'publishes targets of a version that clients have seen',
        'if (version <= last)',
        'if (version < last)',
      ],
      ['publishes targets that nobody signed', "requireSigned('targets', targets, [root]);", ''],
      ['publishes what has ended', 'if (endOf(metadata) > now) return;', 'return;'],
      [
        'leaves targets of keys that do not count any more',
        "if (isSigned(root.signed, 'targets', old)) return old;",
        'return old;',
      ],
    ],
  },
  {
    file: 'trust/tuf/online-metadata.ts',
    tests: [...OF_UPKEEP, ...OF_REPOSITORIES],
    mutants: [
      [
        'signs the timestamp again when most of its time is over',
        'return left <= (life * 2) / 3',
        'return left <= 0',
      ],
      [
        'signs a version that clients have seen',
        'Math.max(before?.[role].signed.version ?? 0, seen?.[role] ?? 0)',
        'before?.[role].signed.version ?? 0',
      ],
      [
        'signs with a key that the root does not name',
        '  if (isOnlineKey(root, publicKey)) return;',
        '  return;',
      ],
    ],
  },
  {
    file: 'trust/tuf/new-metadata.ts',
    tests: [...OF_UPKEEP, ...OF_REPOSITORIES],
    mutants: [
      [
        'makes a version that was there',
        'Math.max((last ?? 0) + 1, Math.floor(now / 1000))',
        'Math.max(last ?? 0, Math.floor(now / 1000))',
      ],
      [
        'forgets the versions that a lost directory had',
        'Math.max((last ?? 0) + 1, Math.floor(now / 1000))',
        '(last ?? 0) + 1',
      ],
    ],
  },
  {
    file: 'trust/tuf/publish.ts',
    tests: OF_REPOSITORIES,
    mutants: [
      [
        'names a snapshot before it is there',
        '  await put(directory, `${snapshot.signed.version}.snapshot.json`, encodeMetadata(snapshot));\n  for (const root of roots)',
        '  for (const root of roots)',
      ],
      [
        'lets two processes publish at a time',
        'return await withFileLock(lock, LOCK_WAIT_MS, async () => {',
        'return await (async (_: string, __: number, all: () => Promise<T>) => all())(lock, LOCK_WAIT_MS, async () => {',
      ],
    ],
  },
  {
    file: 'trust/tuf/shared-repository.ts',
    tests: ['test/trust/tuf/shared-repository.test.ts'],
    mutants: [
      ['goes on with a publication that the database did not take', 'if (!isTaken) continue;', ''],
      ['lets the database write any file', '!NAME.test(path) || ', ''],
      [
        'has an older copy take the place of a later one',
        "if (!before.isMoved && order !== 'earlier') return;",
        '',
      ],
      ['takes another repository from the database', 'this.#requireSameRoots(own, found);', ''],
      ['loses a later copy where the database was put back', "if (order !== 'earlier') return", 'return'],
    ],
  },
  {
    file: 'tlog/store/shared-document.ts',
    tests: ['test/trust/tuf/shared-repository.test.ts'],
    mutants: [
      ['writes over a version that it does not know', 'AND version = $5 AND', 'AND $5::bigint > 0 AND'],
    ],
  },
  {
    file: 'tlog/store/shared-document.ts',
    tests: ['test/tlog/store/shared-document.test.ts'],
    mutants: [
      [
        'takes a change for done that is on one server only',
        'return this.#settle(expected, bytes, isMoved).catch(() => Promise.reject(error as Error));',
        'return this.read().then((there) => there !== undefined && equalBytes(there.bytes, bytes));',
      ],
    ],
  },
  {
    file: 'instance/create-tuf.ts',
    tests: ['test/tlog/store/shared-document.test.ts'],
    mutants: [['removes the key of a repository that counts later', ': isUnsettled(error)', ': false']],
  },
  {
    file: 'trust/tuf/repository.ts',
    tests: [...OF_REPOSITORIES, ...OF_UPKEEP],
    mutants: [
      [
        'serves a root that does not follow the one before it',
        "(version === before.version + 1 && isSigned(before, 'root', root))",
        'version > before.version',
      ],
      [
        'serves parts that do not belong together',
        'link?.verify(Buffer.from(encodeMetadata(metadata)));',
        '',
      ],
      [
        'serves metadata that is not signed',
        'ONLINE_AND_TARGETS.every((role) => isSigned(one.signed, role, signed[role]))',
        'ONLINE_AND_TARGETS.some((role) => isSigned(one.signed, role, signed[role]))',
      ],
    ],
  },
  {
    file: 'trust/tuf/repository-files.ts',
    tests: [...OF_REPOSITORIES, ...OF_UPKEEP],
    mutants: [
      [
        'serves a target that is not what was signed',
        'if (!isTarget(file, bytes)) throw damaged',
        'if (false) throw damaged',
      ],
      [
        'writes a file without waiting until it is durable',
        '    await writeDurably(path, bytes, 0o644);',
        '    void writeDurably(path, bytes, 0o644);',
      ],
    ],
  },
  {
    file: 'trust/tuf/target-contents.ts',
    tests: OF_REPOSITORIES,
    mutants: [
      [
        'compares one of two hashes of a target',
        'TARGET_HASHES.every((algorithm)',
        'TARGET_HASHES.some((algorithm)',
      ],
    ],
  },
  {
    file: 'trust/tuf/staged-change.ts',
    tests: OF_CHANGES,
    mutants: [
      [
        'shows a signer other files than are signed',
        'if (text === undefined || !isTarget(file, Buffer.from(text)))',
        'if (text === undefined)',
      ],
      [
        'shows a signer a state of before that nobody signed',
        "if (!isSigned(root.signed, 'root', root) || !isSigned(root.signed, 'targets', targets))",
        'if (false)',
      ],
      [
        'joins the signatures of two different changes',
        '!saysTheSame(one, other))',
        'one.signed.version !== other.signed.version)',
      ],
      ['takes a target whose name is a path', 'if (!/^[\\w-][\\w.-]*$/.test(file.path))', 'if (false)'],
    ],
  },
  {
    file: 'trust/tuf/signing-clock.ts',
    tests: OF_UPKEEP,
    mutants: [
      ['signs with a clock that jumped years ahead', 'ahead > LIFETIMES.timestamp', 'ahead > Infinity'],
      [
        'signs where the clock says that the root has ended',
        'if (ended !== undefined && !isRenewed)',
        'if (ended !== undefined && now < 0)',
      ],
    ],
  },
  {
    file: 'trust/tuf/upkeep.ts',
    tests: OF_UPKEEP,
    mutants: [
      [
        'serves an older copy that was put back',
        'if (!isBehind) this.#put(repository, stamp);',
        'this.#put(repository, stamp);',
      ],
      [
        'signs below the versions that it served',
        'highestSeen(current, [this.#seen, this.#overtaken])',
        'undefined',
      ],
    ],
  },
  {
    file: 'trust/tuf/upkeep.ts',
    tests: ['test/trust/tuf/shared-repository.test.ts'],
    mutants: [
      [
        'answers without a look at what other services published',
        'return this.#look().then(() => this.file(path));',
        'return known;',
      ],
      ['signs below what it put another in the place of', '[this.#seen, this.#overtaken]', '[this.#seen]'],
    ],
  },
  {
    file: 'trust/tuf/served-versions.ts',
    tests: OF_UPKEEP,
    mutants: [
      [
        'takes an older repository for a newer one',
        'repository[role].signed.version < seen[role].signed.version',
        'repository[role].signed.version > seen[role].signed.version',
      ],
    ],
  },
  {
    file: 'trust/ledger.ts',
    tests: OF_LEDGER,
    mutants: [
      ['forgets whom verifiers trust', 'if (dropped.length > 0) throw', 'if (dropped.length < 0) throw'],
      [
        'lets two processes write at a time',
        'return await withFileLock(lock, LOCK_WAIT_MS, async () => {',
        'return await (async (_: string, __: number, all: () => Promise<T>) => all())(lock, LOCK_WAIT_MS, async () => {',
      ],
    ],
  },
  {
    file: 'trust/union.ts',
    tests: [
      'test/trust/ledger.test.ts',
      'test/trust/export.test.ts',
      'test/trust/differences.test.ts',
      'test/cli/trust/trust-fetch.test.ts',
    ],
    mutants: [
      [
        'prefers what lies there to what is recorded',
        'for (const entry of entries) if (!found.has(keyOf(entry))) found.set(keyOf(entry), entry);',
        'for (const entry of entries) found.set(keyOf(entry), entry);',
      ],
      [
        'does not see that an end was taken back',
        'return end < lastEnd(whole, keyOf(entry))',
        'return end > lastEnd(whole, keyOf(entry))',
      ],
    ],
  },
  {
    file: 'trust/import.ts',
    tests: ['test/trust/import.test.ts'],
    mutants: [
      [
        'takes another key for a log id that is known',
        "if (!equalBytes(spkiOf(ours), spkiOf(theirs))) return 'its log id",
        "if (false) return 'its log id",
      ],
      [
        'takes another chain for a CA that is known',
        'isSameChain(ours.chain, theirs.chain)) return undefined;',
        'ours.chain.length > 0) return undefined;',
      ],
      [
        'prolongs a window that ends here',
        'Math.min(own.end ?? Infinity, other.end ?? Infinity)',
        'Math.max(own.end ?? Infinity, other.end ?? Infinity)',
      ],
      [
        'takes ends that nobody asked it to take',
        'if (!this.#options.takeEnds || own.start !== other.start) return undefined;',
        'if (own.start !== other.start) return undefined;',
      ],
    ],
  },
  {
    file: 'trust/log-in-use.ts',
    tests: ['test/instance/certificate-logs.test.ts', 'test/trust/ledger.test.ts'],
    mutants: [['guesses which log is in use', 'if (more.length === 0) return only;', 'return only;']],
  },
  {
    file: 'cli/trust/fetch/first-root.ts',
    tests: OF_FETCHES,
    mutants: [
      [
        'trusts the first root that it gets',
        'if (sha256(newest) === fingerprint) return newest;',
        'if (newest.length > 0) return newest;',
      ],
    ],
  },
  {
    file: 'cli/trust/fetch/followed-repository.ts',
    tests: OF_FETCHES,
    mutants: [
      [
        'writes a target where its name leads',
        'if (!NAME.test(name) || name.toLowerCase() === STATE) throw badName(mirror, name);',
        '',
      ],
    ],
  },
  {
    file: 'cli/trust/fetch/fetched-directory.ts',
    tests: OF_FETCHES,
    mutants: [
      ['writes over what a newer fetch wrote', 'if (!isSameState(there, fetched.state))', 'if (false)'],
      [
        'writes into a data directory',
        'if (!(await isMissing(dataPaths(at).marker).catch(() => true)))',
        'if (false)',
      ],
    ],
  },
  {
    file: 'cli/trust/fetch/trust-fetch.ts',
    tests: OF_FETCHES,
    mutants: [
      [
        'replaces the trust in another deployment',
        'if (state.size === 0 && options.force !== true) await refuseLosses(directory, trustedRoot);',
        '',
      ],
    ],
  },
  {
    file: 'cli/trust/fetch/bounded-fetcher.ts',
    tests: OF_FETCHES,
    mutants: [
      [
        'takes a file that is longer than its metadata says',
        'if (bytes.byteLength > maxLength) throw',
        'if (bytes.byteLength > Infinity) throw',
        'The library compares the length of each file with its metadata once more, when it has it.',
      ],
    ],
  },
];
