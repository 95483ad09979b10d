import type { MutatedFile } from './mutant.ts';

const OF_STORAGE = ['test/storage/durable-file.test.ts', 'test/storage/sync-order.test.ts'];
const OF_ROLLBACKS = ['test/ct-log/log-rollback.test.ts'];
const OF_RECOVERY = ['test/tlog/recovery.test.ts', 'test/tlog/log.test.ts', ...OF_ROLLBACKS];
const OF_STORES = ['test/tlog/store/sqlite-commit-store.test.ts'];
const OF_WALS = [
  'test/storage/wal-survey.test.ts',
  'test/ct-log/large-wal.test.ts',
  ...OF_STORES,
  'test/ct-log/check-directory.test.ts',
];
const OF_DIRECTORIES = ['test/instance/data-directory.test.ts'];
const OF_ROTATION = ['test/instance/artifact-rotation.test.ts'];
const OF_CERTIFICATE_ROTATION = ['test/instance/rotation.long.test.ts'];
const OF_SUCCESSION = ['test/instance/successor.long.test.ts'];

/** What decides what is left of a crash, and what a start makes of what it finds: `storage/`, `instance/`, and the recovery of logs. */
export const RECOVERY: readonly MutatedFile[] = [
  {
    file: 'storage/durable-file.ts',
    tests: OF_STORAGE,
    mutants: [
      [
        'renames a file into place before its bytes are on the disk',
        "  await naming(path, 'synced', handle.sync());\n}",
        '}',
      ],
      [
        'does not sync the name of a file',
        '    throw error;\n  }\n  await syncDirectory(dirname(path));\n',
        '    throw error;\n  }\n',
      ],
      ['does not sync a new file', '    await file.sync();\n', ''],
      [
        'does not sync the names of new directories',
        'at = dirname(at)) await syncDirectory(dirname(at));',
        'at = dirname(at)) void at;',
      ],
      [
        'makes a secret readable for others while it is written',
        'await file.chmod(mode);',
        'await file.chmod(mode | 0o004);',
      ],
      ['writes over a file that is there', "await open(path, 'wx', mode)", "await open(path, 'w', mode)"],
    ],
  },
  {
    file: 'storage/postgres-question.ts',
    tests: ['test/storage/postgres-question.test.ts'],
    mutants: [
      ['takes the answer to another question', 'rows[0][0] === tag', 'rows[0][0] !== undefined'],
      [
        'takes a refusal of another question',
        'error.severity !== undefined && this.#isTagged && this.#refusal',
        'error.severity !== undefined && this.#refusal',
      ],
      [
        'takes rows that arrived twice',
        'if (count !== undefined && Number(count) !== rows.length) throw stray();',
        '',
      ],
      ['takes what follows the end of an answer', "expected(yield, 'readyForQuery');", 'yield;'],
    ],
  },
  {
    file: 'storage/sqlite.ts',
    tests: [...OF_STORES, 'test/policy/replay/replay-guard.test.ts', 'test/storage/sync-order.test.ts'],
    mutants: [
      [
        'leaves the newest commits to the next sync',
        'PRAGMA synchronous = FULL;',
        'PRAGMA synchronous = NORMAL;',
      ],
    ],
  },
  {
    file: 'storage/file-lock.ts',
    tests: [
      'test/trust/ledger.test.ts',
      'test/instance/create-tuf.test.ts',
      'test/cli/program/one-change.test.ts',
    ],
    mutants: [['lets two take one lock', "database.exec('BEGIN EXCLUSIVE');", "database.exec('BEGIN');"]],
  },
  {
    file: 'storage/storage-medium.ts',
    tests: ['test/storage/storage-medium.test.ts'],
    mutants: [['takes a disk that several machines write for one of its own', "[0x6969, 'NFS'],", '']],
  },
  {
    file: 'storage/read-whole.ts',
    tests: ['test/storage/read-whole.test.ts'],
    mutants: [
      ['reads a file of any size', 'if (length > size) throw tooLarge(size);\n  const whole', 'const whole'],
    ],
  },
  {
    file: 'storage/wal-survey.ts',
    tests: OF_WALS,
    mutants: [
      [
        'believes frames that a torn write left',
        'const isGood = isOurs && frame.follows(before);',
        'const isGood = isOurs;',
      ],
      [
        'believes frames of an older WAL',
        'const isOurs = same(frame.salt, header.salt);',
        'const isOurs = true;',
      ],
      [
        'counts frames that no commit ends',
        'if (firstBad === undefined && frame.isCommit) frames = frame.n + 1;',
        'if (firstBad === undefined) frames = frame.n + 1;',
      ],
      [
        'takes damage with commits behind it for a torn end',
        'if (firstBad !== undefined && isGood && isSynced)',
        'if (firstBad !== undefined && isGood && isSynced && frames < 0)',
      ],
      [
        'takes a header of other bytes for that of a WAL',
        'if (!same(sumOf(wordsOf(bytes, little), 0, 24 / 4, [0, 0]), sum)) return undefined;',
        '',
      ],
    ],
  },
  {
    file: 'tlog/store/commit-snapshot.ts',
    tests: ['test/ct-log/refused-start.long.test.ts', ...OF_WALS],
    mutants: [
      [
        'opens a store whose WAL is damaged',
        'if (survey.damagedAt !== undefined) throw damagedWal(wal, survey.damagedAt);',
        '',
      ],
      [
        'does not say that a WAL is older than its database',
        'const isOlder = sizeWithoutWal > state.head.size;',
        'const isOlder = sizeWithoutWal < 0;',
      ],
    ],
  },
  {
    file: 'tlog/rollback.ts',
    tests: [
      ...OF_ROLLBACKS,
      ...OF_RECOVERY,
      'test/rekor/redact-entries.test.ts',
      'test/ct-log/log-in-postgres.test.ts',
    ],
    mutants: [
      [
        'takes a tile beyond the head of a store that others write for one of theirs',
        '|| (await isGrown(beyond.size))',
        '|| hasGrownTo !== undefined',
      ],
      [
        'goes on beside a WAL that is older than its store',
        'if (atLeast > size) throw smaller(state, atLeast, state.texts.name);',
        '',
      ],
      [
        'goes on from a store that is older than the signed head',
        'signed !== undefined && signed.size > size)',
        'signed !== undefined && size < 0)',
      ],
      [
        'goes on from a store that is older than its tiles',
        'throw smaller(state, beyond.size, beyond.path);',
        '',
      ],
      [
        'goes on from a store of another history than the signed head',
        'await requireContinued(signed, opening);\n',
        '',
      ],
      [
        'takes a head of the same size for the same head',
        'if (equalBytes(own, root)) return;',
        'if (equalBytes(own, root) || size === head.size) return;',
      ],
      [
        'goes on from a store of another history than its tiles',
        'await requireOwnTiles({ format: log.entries, state, edge, tiles }, (path) =>\n    rolledBack(state, `its entries are not those of ${path}, which is whole`),\n  );',
        '',
      ],
    ],
  },
  {
    file: 'tlog/recovery.ts',
    tests: ['test/ct-log/log-faults.long.test.ts', ...OF_RECOVERY, ...OF_STORES],
    mutants: [
      [
        'publishes a head that is not the committed one',
        'requireCheckpointOf(committed, head.checkpoint, log.keys);',
        '',
      ],
      ['starts where full tiles cannot be written', 'if (writer.failure !== undefined)', 'if (false)'],
      [
        'starts above tiles that contradict its entries',
        'if (writer.contradiction !== undefined) throw writer.contradiction;',
        '',
        'Such tiles are refused before, and the next line refuses what could not be written for whatever reason: the code of the error alone would be another.',
      ],
      ['goes on from the head of another writer', 'if (isOne) return;', 'return;'],
    ],
  },
  {
    file: 'tlog/tree/rebuild-edge.ts',
    tests: [...OF_RECOVERY, 'test/ct-log/check.test.ts', 'test/ct-log/refused-start.long.test.ts'],
    mutants: [
      [
        'signs on top of entries that do not give the head',
        'edge.size === head.size && equalBytes(edge.root(), head.root)',
        'edge.size === head.size',
      ],
      [
        'takes a tile that is cut off',
        'if (bytes.length !== TILE_WIDTH * HASH_LENGTH)',
        'if (bytes.length === 0)',
      ],
    ],
  },
  {
    file: 'tlog/live-log.ts',
    tests: ['test/ct-log/log-faults.long.test.ts', 'test/tlog/log-kind.test.ts', 'test/tlog/freeze.test.ts'],
    mutants: [
      [
        'goes on from whatever another writer made of it',
        'requirePossible(inspected.state, this.#sequencer.possibleHeads);',
        '',
      ],
      [
        'takes entries after its end',
        'this.#frozen === undefined ? this.#sequencer.append(entry, claim) : Promise.reject(this.#frozen);',
        'this.#sequencer.append(entry, claim);',
      ],
    ],
  },
  {
    file: 'tlog/read-only-log.ts',
    tests: ['test/tlog/freeze.test.ts', ...OF_ROLLBACKS],
    mutants: [
      [
        'serves an ended log under a head that is not its last',
        'if (frozenAt !== undefined && (size !== head.size || !equalBytes(root, head.root)))',
        'if (false)',
      ],
      [
        'serves a log that was put back from before',
        'await refuseRollback({ log: { entries, keys }, checkpoint, state, edge, tiles: stores.tiles });',
        '',
      ],
    ],
  },
  {
    file: 'instance/create-data-directory.ts',
    tests: [...OF_DIRECTORIES, 'test/storage/sync-order.test.ts'],
    mutants: [
      [
        'says that a directory is whole before it is',
        '  for (const part of PARTS) await syncDirectory(join(paths.root, part));\n  await writeDurably(paths.marker',
        '  await writeDurably(paths.marker',
      ],
    ],
  },
  {
    file: 'instance/data-directory.ts',
    tests: OF_DIRECTORIES,
    mutants: [
      [
        'opens a directory whose making was interrupted',
        'if (names.includes(basename(paths.marker))) return;',
        'return;',
      ],
      [
        'starts a service for development with the CA of production',
        'if (options.mode !== undefined && marker.mode !== options.mode) throw',
        'if (false) throw',
      ],
    ],
  },
  {
    file: 'instance/data-marker.ts',
    tests: OF_DIRECTORIES,
    mutants: [
      [
        'opens the directory of a newer version',
        "if (typeof version === 'number' && version > 1)",
        "if (typeof version === 'number' && version > 9)",
      ],
    ],
  },
  {
    file: 'instance/switch-artifact-log.ts',
    tests: OF_ROTATION,
    mutants: [
      [
        'switches to a log that nobody trusts',
        'await requireTrustedStaged(history, paths, clock());\n  const signer',
        'const signer',
      ],
      [
        'begins a log whose key is another than was staged',
        'if (equalBytes(signer.publicKey, publicKey)) return signer;',
        'return signer;',
      ],
      [
        'begins a log before the one before it has ended',
        'const { identity, head } = await endLog(current, request);',
        'const identity = await readArtifactLogIdentity(current.directory);\n  const head = { size: 0 };',
      ],
      [
        'counts the entries of a new log from nothing',
        'firstLogIndex: api === 1 ? identity.firstLogIndex + head.size : 0,',
        'firstLogIndex: api === 1 ? identity.firstLogIndex : 0,',
      ],
      ['trusts a log beyond its end', 'await endArtifactTrust(request.paths, one);', ''],
      [
        'ends the trust in a log before its last entry',
        'const end = Math.ceil(frozenAt / 1000) * 1000;',
        'const end = Math.floor(frozenAt / 1000) * 1000 - 1000;',
      ],
    ],
  },
  {
    file: 'instance/staged-artifact-log.ts',
    tests: OF_ROTATION,
    mutants: [
      [
        'begins a second tree with the key of a lost one',
        'if (known === undefined) return;',
        'if (known === undefined || known.publicKey.length > 0) return;',
      ],
    ],
  },
  {
    file: 'instance/switch-log.ts',
    tests: OF_CERTIFICATE_ROTATION,
    mutants: [
      [
        'switches to a certificate log that nobody trusts',
        'await requireTrustedLog(next, directory.paths, request.clock());',
        '',
      ],
    ],
  },
  {
    file: 'instance/switch-successor.ts',
    tests: ['test/trust/renewal.test.ts', 'test/trust/timestamp-renewal.test.ts', ...OF_SUCCESSION],
    mutants: [
      ['forgets the CA of before', 'await keepFormer(succession, current);', ''],
      [
        'puts a key in force before its chain',
        '    await replaceDurably(chain, utf8(chainPem));\n    await replaceDurably(key, await readKeyFile(nextKey));',
        '    await replaceDurably(key, await readKeyFile(nextKey));\n    await replaceDurably(chain, utf8(chainPem));',
      ],
    ],
  },
  {
    file: 'instance/discard-successor.ts',
    tests: OF_SUCCESSION,
    mutants: [['deletes the key that is in force', 'await requireSwitchFinished(succession, key);', '']],
  },
  {
    file: 'instance/change-lock.ts',
    tests: ['test/cli/program/one-change.test.ts'],
    mutants: [
      [
        'lets two commands change a directory at a time',
        'return await withFileLock(lock, WAIT_MS, async () => {',
        'return await (async (_: string, __: number, all: () => Promise<T>) => all())(lock, WAIT_MS, async () => {',
      ],
      [
        'removes what a command at work has half made',
        'await withFileLock(paths.changeLock, 0, async () => {',
        'await (async (_: string, __: number, all: () => Promise<void>) => all())(paths.changeLock, 0, async () => {',
      ],
    ],
  },
  {
    file: 'cli/log/log-watch.ts',
    tests: ['test/cli/log/watch-rotation.long.test.ts'],
    mutants: [
      [
        'notes logs that are seen the first time one after the other',
        'await state.note(begun.filter(([log]) => state.treeOf(log) === undefined));',
        'for (const one of begun.filter(([log]) => state.treeOf(log) === undefined)) await state.note([one]);',
      ],
      [
        'notes entries before they are reported',
        '      await this.#report(await this.#eventsOf(log, entries));\n      await state.note([[log, read]]);',
        '      await state.note([[log, read]]);\n      await this.#report(await this.#eventsOf(log, entries));',
      ],
    ],
  },
];
