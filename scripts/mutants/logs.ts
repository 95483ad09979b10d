import type { MutatedFile } from './mutant.ts';

const OF_TREES = ['test/tlog/format/merkle.test.ts'];
const OF_SEQUENCE = [
  'test/tlog/log.test.ts',
  'test/ct-log/log-clock.test.ts',
  'test/ct-log/signing-outage.test.ts',
];
const OF_STORES = ['test/tlog/store/sqlite-commit-store.test.ts', 'test/tlog/store/file-tile-store.test.ts'];
const OF_READS = ['test/ct-log/reader.test.ts'];
const OF_CHECKS = ['test/ct-log/check.test.ts', 'test/ct-log/check-directory.test.ts'];
const OF_MIRRORS = ['test/ct-log/mirror-log.test.ts'];
const OF_WITNESSES = ['test/tlog/sequence/witnesses.test.ts'];
const OF_ARTIFACT_LOGS = ['test/rekor/artifact-log.test.ts', 'test/rekor/create-artifact-log.test.ts'];
const OF_REDACTIONS = ['test/rekor/redact-entries.test.ts'];
const OF_SECOND_API = ['test/rekor/entries/v2-proposal.test.ts', 'test/server/artifact-logs.test.ts'];
const OF_SUBMISSIONS = ['test/ct-log/submission/submitted-chain.test.ts', 'test/service/submission.test.ts'];
const OF_FIRST_API = ['test/rekor/entries/v1-proposal.test.ts'];

/** What decides what is in a log, and what its readers may believe: `tlog/`, `ct-log/` and `rekor/`. */
export const LOGS: readonly MutatedFile[] = [
  {
    file: 'tlog/format/merkle-verify.ts',
    tests: OF_TREES,
    mutants: [
      [
        'believes a proof that ends below the root',
        'return walk.atRoot && equalBytes(hash, root);',
        'return equalBytes(hash, root);',
      ],
      [
        'believes a proof that goes on above the root',
        'for (const sibling of proof) {\n    if (walk.atRoot) return false;',
        'for (const sibling of proof) {\n    if (walk.atRoot) break;',
      ],
      [
        'takes a proof for one of an entry beyond the tree',
        '!inOrder(index, size - 1) ||',
        '!inOrder(index, size) ||',
      ],
      [
        'does not compare the older root',
        'equalBytes(before, first.root) && equalBytes(after, second.root)',
        'equalBytes(after, second.root)',
      ],
      [
        'does not compare the newer root',
        'equalBytes(before, first.root) && equalBytes(after, second.root)',
        'equalBytes(before, first.root)',
      ],
      [
        'takes two trees of one size for the same',
        'proof.length === 0 && equalBytes(first.root, second.root)',
        'proof.length === 0',
      ],
    ],
  },
  {
    file: 'tlog/format/merkle.ts',
    tests: OF_TREES,
    mutants: [
      [
        'hashes entries as nodes are',
        'const LEAF_PREFIX = Uint8Array.of(0);',
        'const LEAF_PREFIX = Uint8Array.of(1);',
      ],
      ['splits a full tree in one half and nothing', 'while (half * 2 < n)', 'while (half * 2 <= n)'],
    ],
  },
  {
    file: 'tlog/format/tile.ts',
    tests: ['test/tlog/format/tile.test.ts', ...OF_READS],
    mutants: [
      [
        'believes a tile of another length than its path says',
        'if (bytes.length !== width * HASH_LENGTH) {',
        'if (bytes.length < HASH_LENGTH) {',
      ],
    ],
  },
  {
    file: 'tlog/format/vkey.ts',
    tests: ['test/tlog/format/checkpoint.test.ts'],
    mutants: [
      ['takes a key under the id of another', 'if (!equalBytes(out.keyId, fromHex(id))) {', 'if (false) {'],
    ],
  },
  {
    file: 'tlog/tree/verify-head.ts',
    tests: ['test/tlog/tree/verify-head.test.ts', ...OF_READS],
    mutants: [
      [
        'takes a checkpoint that is signed for another log',
        'if (key === undefined || key.origin !== origin) continue;',
        'if (key === undefined) continue;',
      ],
      [
        'passes over a signature that does not hold',
        'if (verified === undefined) throw badSignature(key);',
        'if (verified === undefined) continue;',
      ],
      [
        'takes a checkpoint that nobody signed',
        'if (signedBy.length > 0) return',
        'if (signedBy.length >= 0) return',
      ],
      [
        'publishes a head that is not the committed one',
        'if (isSame && keys.every((key) => signedBy.includes(key))) return;',
        'if (keys.every((key) => signedBy.includes(key))) return;',
      ],
      [
        'publishes a head without one of its signatures',
        'if (isSame && keys.every((key) => signedBy.includes(key))) return;',
        'if (isSame && keys.some((key) => signedBy.includes(key))) return;',
      ],
    ],
  },
  {
    file: 'tlog/sequence/sequencer.ts',
    tests: ['test/ct-log/log-faults.long.test.ts', ...OF_SEQUENCE],
    mutants: [
      [
        'signs a head before it is on the disk',
        'await this.#patiently(() =>\n        store.commit({',
        'void this.#patiently(() =>\n        store.commit({',
      ],
      [
        'answers after it was said that the log stopped',
        '    this.#requireRunning();\n    const before = ',
        '    const before = ',
      ],
      [
        'takes one more than may wait',
        'this.#waiting.queued >= limits.queued',
        'this.#waiting.queued > limits.queued',
      ],
      [
        'takes its own interrupted commit for that of another writer',
        'return this.#attempted === undefined ? [this.#head.head] : [this.#head.head, this.#attempted];',
        'return [this.#head.head];',
      ],
      [
        'goes on above a tile that contradicts it',
        'if (this.#tiles.contradiction !== undefined) this.#stop(this.#tiles.contradiction);',
        '',
      ],
    ],
  },
  {
    file: 'tlog/sequence/head-time.ts',
    tests: ['test/ct-log/log-clock.test.ts'],
    mutants: [
      ['makes two heads of one time', 'if (now > last) return now;', 'if (now >= last) return now;'],
      [
        'dates entries before the head they stand on',
        'if (last - now > CLOCK_TOLERANCE_MS) throw',
        'if (last - now > Infinity) throw',
      ],
    ],
  },
  {
    file: 'tlog/sequence/tile-writer.ts',
    tests: ['test/ct-log/log-faults.long.test.ts'],
    mutants: [
      [
        'forgets entries before their tile is on the disk',
        'await this.#store.put(path, bytes);',
        'void this.#store.put(path, bytes);',
      ],
    ],
  },
  {
    file: 'tlog/sequence/waiting-entries.ts',
    tests: ['test/server/log-outage.test.ts'],
    mutants: [['says that nothing is logged of what may be', 'reject(error.ofStored());', 'reject(error);']],
  },
  {
    file: 'tlog/store/commit-transaction.ts',
    tests: OF_STORES,
    mutants: [
      ['writes over the head of another writer', 'if (changes !== 1) throw headMoved();', ''],
      [
        'removes an entry whose tile is not on the disk',
        "'DELETE FROM entry WHERE idx < ?'",
        "'DELETE FROM entry WHERE idx <= ?'",
      ],
    ],
  },
  {
    file: 'tlog/store/commit-database.ts',
    tests: [
      ...OF_STORES,
      'test/storage/sync-order.test.ts',
      ...OF_REDACTIONS,
      'test/ct-log/refused-start.long.test.ts',
    ],
    mutants: [
      [
        'does not sync what it commits',
        'db.exec(`PRAGMA journal_mode = WAL; ${DURABLE} PRAGMA journal_size_limit',
        'db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA journal_size_limit',
      ],
      [
        'believes a store that ends elsewhere than its head',
        'if (firstEntry % 256 !== 0 || firstEntry + entries.length !== head.size)',
        'if (firstEntry % 256 !== 0)',
      ],
      [
        'believes a store with a gap in it',
        'if (idx !== firstEntry + entries.length || !(bytes instanceof Uint8Array))',
        'if (!(bytes instanceof Uint8Array))',
      ],
      ['leaves what was redacted in free pages', "db.exec('VACUUM');\n  copyAndSync(db, path);", ''],
    ],
  },
  {
    file: 'tlog/store/commit-store-worker.ts',
    tests: OF_STORES,
    mutants: [
      [
        'writes a log that another process has',
        'lock ??= takeLock();',
        'if (lock === undefined) try { lock = takeLock(); } catch {}',
      ],
      ['goes on from another head than was judged', 'requireHead(opened, commitPath, loaded);', ''],
    ],
  },
  {
    file: 'tlog/store/file-tile-store.ts',
    tests: ['test/tlog/store/file-tile-store.test.ts'],
    mutants: [
      [
        'writes over a tile that says something else',
        'if (present !== undefined && !equalBytes(present, bytes)) {',
        'if (false) {',
      ],
    ],
  },
  {
    file: 'tlog/store/bucket-files.ts',
    tests: ['test/tlog/store/bucket-tile-store.test.ts'],
    mutants: [
      [
        'believes that a tile is in a bucket before it was read there',
        "return outcome !== 'conflict' && (await this.#isThere(path, bytes));",
        "return outcome !== 'conflict';",
      ],
      [
        'puts an older checkpoint in the place of a newer one',
        'if (there !== undefined && sizeIn(there.bytes) >= sizeIn(bytes)) return true;',
        '',
      ],
      [
        'replaces a checkpoint that another writer has replaced',
        "return (await this.#bucket.put(path, bytes, { ...headers, ...conditions })) === 'stored';",
        "return (await this.#bucket.put(path, bytes, headers)) === 'stored';",
      ],
      ['takes a bucket that lets several writers be the first', 'if (second !== undefined)', 'if (false)'],
    ],
  },
  {
    file: 'tlog/store/postgres-anchor.ts',
    tests: ['test/ct-log/log-anchor.long.test.ts'],
    mutants: [
      [
        'puts a head in the place of any other one in a database',
        'AND checkpoint = $3 AND',
        'AND $3 <> $2 AND',
      ],
      [
        'takes a head in a database for its own that another writer put there',
        'return there !== undefined && equalBytes(there, next);',
        'return there !== undefined;',
      ],
      [
        'reads a head in a database that may not have reached the standby',
        'await change(SETTLE, [logId])',
        'await change(READ, [logId])',
      ],
      [
        'takes a head for kept whose wait for the standby was ended',
        'if (asked.warnings !== before)',
        'if (false)',
      ],
      [
        'believes a head that the process before left unreplicated',
        'await connection();\n        // The process before this one may have left what was not replicated.\n        isUnsettled = true;',
        'await connection();',
      ],
      [
        'believes a head that was made after nothing was found',
        'if (rows.length > 0) isUnsettled = false;',
        'isUnsettled = false;',
      ],
      [
        'believes a head that another one put there before it reached the standby',
        'const there = await settled();',
        'const there = await holds();',
      ],
    ],
  },
  {
    file: 'tlog/store/postgres-server.ts',
    tests: ['test/tlog/store/postgres-commit-store.test.ts'],
    mutants: [
      [
        'lets a machine that is added go on with a standby that may lack commits',
        'if (noted === undefined || isSame(noted, server)) return;',
        'return;',
      ],
      [
        'believes of a machine that is added that commits waited',
        'if (known === undefined || !mayFollow(noted, server) || !isNext(noted, server))',
        'if (!mayFollow(noted, server) || !isNext(noted, server))',
      ],
      ['goes on with a server that says nothing of the one in between', ' || !isNext(noted, server)', ''],
    ],
  },
  {
    file: 'tlog/store/store-location.ts',
    tests: ['test/tlog/log-copied.test.ts'],
    mutants: [
      [
        'takes files that were copied to another machine for its own',
        'if (isOtherMachine && isOtherFile)',
        'if (false)',
      ],
      [
        'refuses a disk that comes to another machine',
        'if (isOtherMachine && isOtherFile)',
        'if (isOtherMachine)',
      ],
      [
        'goes on beside the log that it was copied from',
        'if (isOtherFile) refuseBeside(noted, here, isInUse);',
        '',
      ],
    ],
  },
  {
    file: 'tlog/adopt-copy.ts',
    tests: ['test/tlog/log-copied.test.ts'],
    mutants: [
      [
        'takes a copy into use that lacks entries',
        'await refuseRollback({ log: { entries, keys }, checkpoint, state, edge, tiles });',
        '',
      ],
      [
        'takes a copy into use beside the one that it was copied from',
        'if (change.isOtherFile) refuseBeside(noted, here, (path) => location.isInUse(path));',
        '',
      ],
    ],
  },
  {
    file: 'tlog/head-publisher.ts',
    tests: ['test/ct-log/log-in-bucket.test.ts'],
    mutants: [
      [
        'publishes a checkpoint without its partial tiles',
        'await putPartials(this.#store, this.#tiles, this.#bundle, size);',
        '',
      ],
    ],
  },
  {
    file: 'tlog/anchored-head.ts',
    tests: ['test/ct-log/log-anchor.long.test.ts'],
    mutants: [
      [
        'goes on from another history than its anchor knows',
        'if (!(await this.#hasRoot(known)))',
        'if (false)',
      ],
      [
        'releases what its synchronous anchor does not have',
        'await this.#advance(signed);\n      return signed;',
        'return signed;',
      ],
    ],
  },
  {
    file: 'tlog/freeze.ts',
    tests: ['test/tlog/freeze.test.ts', 'test/storage/sync-order.test.ts'],
    mutants: [
      [
        'ends a log whose last entries no checkpoint has',
        'if (size === head.size && equalBytes(root, head.root)) return;',
        'if (size <= head.size) return;',
      ],
      [
        'ends a log before its checkpoint is on the disk',
        'await writeDurably(path, checkpoint, 0o644);',
        'void path;',
      ],
    ],
  },
  {
    file: 'tlog/create-log.ts',
    tests: ['test/tlog/create-log.test.ts', 'test/storage/sync-order.test.ts'],
    mutants: [['does not sync the name of a new log', 'await syncDirectory(parent);', '']],
  },
  {
    file: 'tlog/require-identity.ts',
    tests: ['test/ct-log/refused-start.long.test.ts', 'test/tlog/recovery.test.ts'],
    mutants: [
      [
        'opens a log with the store of another',
        'if (!equalBytes(logId, identity.logId)) throw differ(store',
        'if (false) throw differ(store',
      ],
      ['opens a log whose name was edited', 'if (changed.length > 0) throw', 'if (changed.length < 0) throw'],
    ],
  },
  {
    file: 'ct-log/check.ts',
    tests: OF_CHECKS,
    mutants: [
      [
        'passes a log whose entries do not give its root',
        'if (!equalBytes(this.#edge.root(), root)) {',
        'if (false) {',
      ],
      ['forgets the signatures of the last tiles', 'await this.#settle(0);', ''],
      [
        'passes entries that are not in the order of their times',
        'if (timestamp < this.#lastTimestamp)',
        'if (timestamp < 0)',
      ],
    ],
  },
  {
    file: 'ct-log/check-directory.ts',
    tests: OF_CHECKS,
    mutants: [
      ['passes a store that is older than its checkpoint', 'if (head.size >= size) return;', 'return;'],
      [
        'passes a checkpoint of another tree',
        'if (!equalBytes(root, checkpoint.root)) throw ofAnotherTree(checkpoint.size);',
        '',
      ],
    ],
  },
  {
    file: 'ct-log/entry-check.ts',
    tests: OF_CHECKS,
    mutants: [
      [
        'passes a precertificate that its CA did not sign',
        'return holds ? undefined : { offset, message: NOT_SIGNED };',
        'return undefined;',
      ],
      [
        'passes an entry under the key of another CA',
        'if (ca === undefined || equalBytes(hash, ca.keyHash)) return undefined;',
        'if (ca === undefined || ca.keyHash.length > 0) return undefined;',
      ],
    ],
  },
  {
    file: 'ct-log/proof.ts',
    tests: ['test/ct-log/proof.test.ts'],
    mutants: [
      [
        'makes a proof that does not hold',
        'if (!verifyInclusion(sha256, { leafHash, index, size }, path, root)) {',
        'if (false) {',
      ],
    ],
  },
  {
    file: 'ct-log/proven-entries.ts',
    tests: ['test/ct-log/entry-search.test.ts'],
    mutants: [
      [
        'shows entries that the head does not cover',
        'if (!equalBytes(hashes, await this.#expected(n, width, hashes)))',
        'if (false)',
      ],
      [
        'believes hash tiles that do not give the root',
        'if (!equalBytes(computed, root)) throw',
        'if (false) throw',
      ],
    ],
  },
  {
    file: 'ct-log/entry-search.ts',
    tests: ['test/ct-log/entry-search.test.ts'],
    mutants: [
      [
        'misses what was logged in the last millisecond',
        'await firstAt(entries, size, until + 1)',
        'await firstAt(entries, size, until)',
      ],
    ],
  },
  {
    file: 'rekor/artifact-log-kind.ts',
    tests: OF_ARTIFACT_LOGS,
    mutants: [
      [
        'takes an entry that no client could have a proof of',
        'if (body.length > MAX_BODY)',
        'if (body.length > Infinity)',
        'An entry that long cannot be encoded either, and is refused for that with the same code: only the sentence is another.',
      ],
    ],
  },
  {
    file: 'rekor/open-artifact-log.ts',
    tests: [...OF_ARTIFACT_LOGS, ...OF_REDACTIONS],
    mutants: [
      [
        'logs twice what comes twice at a time',
        'if (twin !== undefined) return { ...(await twin), isNew: false };',
        '',
      ],
      [
        'logs again what is there',
        'return index === undefined ? this.#append(entry, leafHash) : this.#existing(index);',
        'return index === undefined || index >= 0 ? this.#append(entry, leafHash) : this.#existing(index);',
      ],
      [
        'signs for the body of an entry that has none any more',
        "if (redaction !== undefined) throw new TypeError('the body of a redacted entry cannot be signed');",
        '',
      ],
      [
        'takes no lock of a log that it reads',
        'const release = await (await chooseStores(directory)).commits.shared();',
        'const release = (): void => undefined;',
      ],
    ],
  },
  {
    file: 'rekor/entry-reads.ts',
    tests: [...OF_ARTIFACT_LOGS, ...OF_REDACTIONS],
    mutants: [
      [
        'returns an entry whose bytes are not those that were logged',
        "if (!equalBytes(hashLeaf(sha256, body), leafHash)) throw damaged(index, 'its hash is another');",
        '',
      ],
      [
        'returns a body that was redacted',
        'if (redaction !== undefined) return this.#redacted(entry, leafHash, redaction);',
        '',
      ],
      [
        'serves a body that was redacted in a tile',
        "return tile.level === 'entries' ? this.#withheldIn(tile, bytes) : bytes;",
        'return bytes;',
      ],
      ['calls a body that is gone redacted', 'if (!equalBytes(redaction.leafHash, leafHash))', 'if (false)'],
      [
        'serves tiles that the tree has not reached',
        'if (tile.width > tileWidth(tile.level, tile.n, this.#size))',
        'if (tile.width > TILE_WIDTH)',
      ],
    ],
  },
  {
    file: 'rekor/check-artifact-log.ts',
    tests: [...OF_REDACTIONS, 'test/cli/rekor/rekor.test.ts'],
    mutants: [
      [
        'passes a log that has the body of a redacted entry',
        'if (standing === undefined) continue;',
        'if (standing !== -1) continue;',
      ],
    ],
  },
  {
    file: 'rekor/log-key.ts',
    tests: OF_ARTIFACT_LOGS,
    mutants: [
      [
        'opens a log with the key of another',
        'if (signer.algorithm === algorithm && equalBytes(signer.publicKey, publicKey)) return;',
        'if (signer.algorithm === algorithm) return;',
      ],
    ],
  },
  {
    file: 'rekor/redact-entries.ts',
    tests: OF_REDACTIONS,
    mutants: [
      [
        'erases before it is recorded what',
        'const { entries } = recorded ?? (await record());',
        'const entries = new Map(added.map((one) => [one.index, one] as const));',
      ],
      [
        'erases another body than was meant',
        'return isItsBody ? blankEntry(format, stored) : undefined;',
        'return blankEntry(format, stored);',
      ],
      [
        'leaves the words of a redacted entry in the search index',
        'await rm(join(directory, SEARCH_FILE + suffix), { force: true });',
        'await Promise.resolve(suffix);',
      ],
      ['erases in full bundles alone', 'await store.rewrite(blanking.blanked);', ''],
      [
        'erases in the commit store alone',
        'for (const n of bundles) await inWords(() => eraseInBundle(directory, n, { tiles, ...blanking }));',
        '',
      ],
    ],
  },
  {
    file: 'rekor/redactions.ts',
    tests: OF_REDACTIONS,
    mutants: [
      [
        'reads a log while a redaction of it is under way',
        'if (redactions.isFinished || (await areRedactionsShared(directory))) return redactions;',
        'return redactions;',
      ],
    ],
  },
  {
    file: 'tlog/store/shared-lines.ts',
    tests: ['test/audit/database-destination.test.ts'],
    mutants: [
      [
        'takes the row of another for its own',
        'this.#end = found;\n    }',
        'this.#end = found;\n      if (found.number > number) return;\n    }',
      ],
      [
        'takes a row that it finds for one that is on the standby',
        'this.#end = found;\n    }',
        'this.#end = found;\n      if (equalBytes(found.hash, hash)) return;\n    }',
      ],
      [
        'does not notice that the database waits for no standby any more',
        '(${IS_SYNCHRONOUS} OR NOT $7)',
        '($7 OR NOT $7)',
      ],
      [
        'takes a row for right that was changed',
        'isRight: equalBytes(hash, hashOf(previous, writer, number, text)) &&',
        'isRight:',
      ],
    ],
  },
  {
    file: 'rekor/redactions.ts',
    tests: ['test/service/logs-in-postgres.long.test.ts'],
    mutants: [
      [
        'answers with bodies while nobody says which are withheld',
        'if (performance.now() - this.#lookedAt < LOOK_COUNTS_MS) return undefined;',
        'return undefined;',
      ],
      [
        'serves a body that this machine knows to be withheld',
        'for (const [index, redaction] of known.entries) live.entries.set(index, redaction);',
        '',
      ],
      [
        'does not hear of what another replica withheld',
        'for (const [index, redaction] of entries) this.entries.set(index, redaction);',
        '',
      ],
    ],
  },
  {
    file: 'rekor/entries/v2-proposal.ts',
    tests: OF_SECOND_API,
    mutants: [
      [
        'logs a signature that does not hold',
        'if (!(await verifyDigest(scheme, key.verifier.spki, digest, content)))',
        'if (false)',
      ],
      [
        'logs an entry that verifiers cannot rebuild',
        "if (verifier.get('keyDetails') !== KEY_DETAILS.get(details.keyDetails))",
        'if (false)',
      ],
      [
        'does not ask whose key it is',
        '  admit(key.verifier);\n  return [key, details];',
        '  return [key, details];',
      ],
    ],
  },
  {
    file: 'rekor/entries/signed-envelope.ts',
    tests: OF_FIRST_API,
    mutants: [
      [
        'logs an envelope one of whose signatures is by nobody',
        'if (search.isDone) return { payload, signers: search.signers };',
        'return { payload, signers: search.signers };',
      ],
      [
        'logs an envelope for a key that did not sign it',
        'if (found === undefined) throw unsigned();',
        'if (found === undefined) return;',
      ],
    ],
  },
  {
    file: 'ct-log/submission/submitted-chain.ts',
    tests: OF_SUBMISSIONS,
    mutants: [
      [
        'does not check that a CA signed what is below it',
        'if (!this.#isSigned(child, parent))',
        'if (false)',
      ],
      ['takes any root of the right name', 'named.find((one) => this.#isSigned(last, one))', 'named[0]'],
      ['takes a certificate that is no CA for one', 'constraints?.ca !== true', 'constraints === undefined'],
      ['takes certificates for any use', 'usages.has(usage)', 'usages.has(usage) || true'],
      [
        'takes what names its own CA as the issuer',
        'if (this.#rules.ownKeys.has(toHex(issuerKeyHash))) throw own();',
        '',
      ],
      ['takes a poison that is not critical', 'if (!poison.critical || !isNull)', 'if (!isNull)'],
      ['takes certificates nested without end', 'if (open.length >= MAX_DEPTH)', 'if (false)'],
      [
        'names the signer of a precertificate as its CA',
        'const issuer = signsForOther ? above : signer;',
        'const issuer = signer;',
      ],
    ],
  },
  {
    file: 'ct-log/outside/outside-log.ts',
    tests: ['test/ct-log/outside/outside-log.test.ts'],
    mutants: [
      ['believes an SCT of another log', 'if (!equalBytes(id, this.logId))', 'if (false)'],
      [
        'believes an SCT that the key of the log did not sign',
        "!isKnown || !verify('sha256', leaf, this.#key, signature)",
        '!isKnown',
      ],
      ['believes an SCT of the future', 'if (timestamp > now + AHEAD)', 'if (false)'],
      [
        'believes an SCT of before the request',
        'if (timestamp < startedAt - (startedAt % 1000))',
        'if (false)',
      ],
      [
        'asks a log that fails without end',
        'if (this.#inARow < FAILURES) return undefined;',
        'return undefined;',
      ],
    ],
  },
  {
    file: 'ct-log/submission/submissions.ts',
    tests: ['test/ct-log/submission/submissions.test.ts', 'test/service/submission.test.ts'],
    mutants: [
      [
        'logs the same again',
        'const there = await this.#find(submitted);',
        'const there = await this.#find({ ...submitted, entry: { certificate: Uint8Array.of(1), chainFingerprints: new Uint8Array() } });',
      ],
      ['logs the same twice at once', 'this.#underWay.set(key, adding);', ''],
      ['does not wait for the index of what is there', 'if (isAll) return undefined;', 'return undefined;'],
    ],
  },
  {
    file: 'rekor/format/signed-entry-timestamp.ts',
    tests: ['test/rekor/format/signed-entry-timestamp.test.ts'],
    mutants: [['signs for no log by its id', 'logID: toHex(logId)', 'logID: toHex(logId.subarray(0, 4))']],
  },
  {
    file: 'rekor/format/log-key-id.ts',
    tests: ['test/rekor/format/log-key-id.test.ts'],
    mutants: [['has one id for two logs of one key', 'utf8(`${name}\\n`)', "utf8('\\n')"]],
  },
  {
    file: 'ct-log/proven-tiles.ts',
    tests: OF_MIRRORS,
    mutants: [
      ['takes an edge that has another root', 'if (equalBytes(computed, root)) return edge;', 'return edge;'],
      [
        'takes a full tile of another tree',
        'if (equalBytes(hash, parent.subarray(at, at + HASH_LENGTH))) return bytes;',
        'return bytes;',
      ],
      ['takes any entries', 'if (equalBytes(hashLeaf(sha256, leaf), hash)) continue;', 'continue;'],
      [
        'takes any certificate for an issuer',
        'if (toHex(sha256(bytes)) === hex) return bytes;',
        'return bytes;',
      ],
    ],
  },
  {
    file: 'ct-log/mirror-log.ts',
    tests: OF_MIRRORS,
    mutants: [
      ['follows a fork', 'if (equalBytes(rootAtKept, before.head.root)) continue;', 'continue;'],
      [
        'forgets the head that it was copying when it was killed',
        'for (const before of [kept, pending]) {',
        'for (const before of [kept]) {',
      ],
      [
        'takes a step back for a fork at most',
        'if (shown.head.size < before.head.size) throw await this.#steppedBack(shown, before, kept);',
        'if (shown.head.size < before.head.size) continue;',
      ],
    ],
  },
  {
    file: 'witness/witnessed-log.ts',
    tests: ['test/witness/witness.test.ts'],
    mutants: [
      [
        'cosigns what continues nothing',
        'if (!verifyConsistency(sha256, known, { size, root }, proof))',
        'if (proof.length > 63)',
      ],
      [
        'cosigns before it remembers',
        'await writeDurably(join(this.#directory, this.file), note, 0o644);',
        'void writeDurably(join(this.#directory, this.file), note, 0o644).catch(() => undefined);',
      ],
      [
        'decides on two heads at once',
        'const turn = this.#turn.then(() => this.#decide(request, checkpoint, signed));',
        'const turn = this.#decide(request, checkpoint, signed);',
      ],
      [
        'begins anew where what it remembers is damaged',
        "throw new LogError('LOG_CORRUPT', `what is remembered of ${this.origin} is damaged`, { cause: error });",
        'return { size: 0, root: emptyRoot(sha256) };',
      ],
    ],
  },
  {
    file: 'tlog/sequence/witnesses.ts',
    tests: OF_WITNESSES,
    mutants: [
      [
        'takes one that knows more for one that is down',
        "  error instanceof LogError && error.code === 'LOG_ROLLED_BACK';",
        "  error instanceof LogError && error.code === 'LOG_CLOSED';",
      ],
      [
        'is content without a quorum',
        'if (!isQuorum(this.#policy, new Set(lines.keys()))) return false;',
        'if (lines.size > 99) return false;',
      ],
      [
        'serves what a crash left without a quorum',
        'return this.isRequired && !isWitnessed ? this.cosigned(signed, hashes) : this.served(signed);',
        'return this.served(signed);',
      ],
    ],
  },
  {
    file: 'tlog/sequence/witness-client.ts',
    tests: OF_WITNESSES,
    mutants: [
      [
        'counts a cosignature of another key',
        'if (line.name !== vkey.name || !equalBytes(line.keyId, vkey.keyId)) continue;',
        'if (vkey.keyId.length !== 4) continue;',
      ],
      [
        'takes a smaller log for one that waits',
        'if (kept.size > head.size) {',
        'if (kept.size > head.size && this.#options.isShared) {',
      ],
      [
        'believes a witness that shows nothing',
        'if (kept === undefined) return this.#fails(',
        'if (kept === undefined) return this.#contradicts(',
      ],
    ],
  },
  {
    file: 'tlog/live-log.ts',
    tests: OF_WITNESSES,
    mutants: [
      [
        'releases before the quorum',
        'if (witnesses?.isRequired !== true) return signHead;',
        'if (witnesses?.isRequired !== undefined || witnesses === undefined) return signHead;',
      ],
    ],
  },
  {
    file: 'tlog/tree/cosignatures.ts',
    tests: OF_WITNESSES,
    mutants: [['demands no quorum', 'if (fault === undefined) return found;', 'return found;']],
  },
];
