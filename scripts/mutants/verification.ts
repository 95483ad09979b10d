import type { MutatedFile } from './mutant.ts';

const OF_CERTIFICATES = ['test/verify/verify-certificate.test.ts'];
const OF_TIMESTAMPS = ['test/verify/timestamp.test.ts'];
const OF_BUNDLES = [
  'test/verify/bundle/tampered-entries.test.ts',
  'test/verify/bundle/conformance.test.ts',
  'test/verify/bundle/verify-bundle.test.ts',
];
const OF_TRUST = ['test/verify/trusted-root.test.ts', ...OF_CERTIFICATES];

/** What decides whether a certificate, a timestamp or a bundle is good: `verify/`, and the formats that it reads. */
export const VERIFICATION: readonly MutatedFile[] = [
  {
    file: 'verify/certificate-path.ts',
    tests: [...OF_TRUST, 'test/verify/bundle/verify-bundle.test.ts', ...OF_TIMESTAMPS],
    mutants: [
      [
        'judges the certificate at the first of its times alone',
        'for (const time of request.times) checkValidity(leaf',
        'for (const time of request.times.slice(0, 1)) checkValidity(leaf',
      ],
      [
        'takes a CA for the issuer without checking its signature',
        'if (await isSignedBy(child, authority, scheme, crypto)) return;',
        'return;',
      ],
      [
        'takes a CA by its key, whatever its name is',
        'if (!equalBytes(authority.subject, child.issuer)) return false;',
        '',
      ],
      [
        'does not check the rules of the CAs on the way',
        'this.#checkAuthority(authority, below);\n      return true;',
        'return true;',
      ],
      [
        'counts one CA too few below another',
        'checkAuthority(authority, below, time, purpose);',
        'checkAuthority(authority, below - 1, time, purpose);',
      ],
      ['passes over the windows in which a CA is trusted', 'trust.windows.require(authority, times);', ''],
      [
        'passes over the window in which a CA is trusted to issue itself',
        'if (below === 0 && purpose === undefined) trust.windows.requireIssuing(authority, times);',
        '',
      ],
      [
        'does not ask whether the CA was trusted when the certificate was logged',
        'loggedAt === undefined ? this.#request.times : [...this.#request.times, loggedAt]',
        'loggedAt === undefined ? this.#request.times : this.#request.times',
      ],
      [
        'lets a way to a root end beside the CA that it must go through',
        'if (through === undefined || root === through || way.includes(through)) return true;',
        'if (through === undefined || root === through || way.length > 0) return true;',
      ],
      [
        'takes an RSA key of a CA that anybody can break',
        'if (weakness !== undefined) throw refused(`the key of ${who} ${weakness}`);',
        '',
      ],
      [
        'remembers a signature for whatever key a checker was asked with',
        'const found = known.get(authority) ?? check();',
        'const found = known.get(authority) ?? true;',
      ],
    ],
  },
  {
    file: 'verify/certificate-rules.ts',
    tests: OF_CERTIFICATES,
    mutants: [
      ['accepts a precertificate', 'if (findExtension(leaf, POISON_OID) !== undefined) {', 'if (false) {'],
      [
        'refuses a certificate at the last moment of its validity',
        'if (time > notAfter) {',
        'if (time >= notAfter) {',
      ],
      [
        'refuses a certificate at the moment of its beginning',
        'if (time < notBefore)',
        'if (time <= notBefore)',
      ],
      [
        'accepts a certificate of a CA as that of a signer',
        "if (basicConstraints(leaf)?.ca === true) throw refused('this is the certificate of a CA, not of a signer');",
        '',
      ],
      [
        'accepts a certificate that is not for code signing',
        'if (extendedKeyUsage(leaf)?.has(CODE_SIGNING) !== true) {',
        'if (false) {',
      ],
      [
        'accepts unknown critical extensions',
        'critical && !known.has(oid)',
        'critical && known.has(oid) && !known.has(oid)',
      ],
      [
        'takes a path length for one more than it says',
        'below > constraints.pathLength',
        'below > constraints.pathLength + 1',
      ],
      [
        'accepts a CA whose usage does not cover signing certificates',
        'if (keyUsage(authority)?.has(KeyUsage.keyCertSign) !== true) {',
        'if (false) {',
      ],
      [
        'accepts a CA for other things than code signing',
        'if (usages !== undefined && !usages.has(usage) && !usages.has(ANY_USAGE)) {',
        'if (false) {',
      ],
      [
        'passes over name constraints',
        'if (findExtension(authority, EXTENSION.nameConstraints) !== undefined) {',
        'if (false) {',
      ],
    ],
  },
  {
    file: 'verify/sct.ts',
    tests: OF_TRUST,
    mutants: [
      [
        'accepts a certificate with more than one SCT',
        'first === undefined || more.length > 0',
        'first === undefined',
      ],
      [
        'passes over the window of the log that promised to have the certificate',
        'requireWithin(log.windows, [sct.timestamp], `the log ${log.name}`);',
        '',
      ],
      [
        'accepts an SCT whose signature is wrong',
        "if (!(await isSignedByLog(sct, log.publicKey, leaf, 'the SCT', crypto)))",
        'if (false)',
      ],
    ],
  },
  {
    file: 'verify/logged-entry.ts',
    tests: OF_CERTIFICATES,
    mutants: [
      [
        'takes the key of the certificate for that of its issuer',
        'crypto.sha256(issuer.spki)',
        'crypto.sha256(certificate.spki)',
      ],
      ['leaves the list of SCTs in what was logged', 'oid !== SCT_LIST_OID', "oid !== ''"],
    ],
  },
  {
    file: 'verify/inclusion.ts',
    tests: OF_CERTIFICATES,
    mutants: [
      [
        'takes a proof of another entry than the SCT names',
        'promised !== undefined && promised !== index',
        'promised !== undefined && promised > index',
      ],
      [
        'accepts a proof without looking where it leads',
        'if (!verifyInclusion(crypto.sha256, entry, path, root)) {',
        'if (false) {',
      ],
      [
        'takes any tree of the size of the head that was kept',
        'if (size === head.size && equalBytes(root, head.root)) return;',
        'if (size === head.size) return;',
      ],
      ['accepts a checkpoint of another log', 'if (checkpoint.origin !== origin) {', 'if (false) {'],
      [
        'accepts a checkpoint without the signature of the log',
        'if (lines.length === 0) throw refused(`${what} is not signed',
        'if (lines.length < 0) throw refused(`${what} is not signed',
      ],
      [
        'takes the signature of another key for that of the log',
        '({ name, keyId }) => name === key.name && equalBytes(keyId, key.keyId)',
        '({ name }) => name === key.name',
      ],
      ['accepts a head from before the SCT', 'if (timestamp < found.sct.timestamp)', 'if (timestamp < 0)'],
      [
        'does not ask for the Ed25519 signature of a log that has one',
        'if (ed25519PublicKey === undefined) return [main];',
        'if (ed25519PublicKey === undefined || origin !== undefined) return [main];',
      ],
      [
        'passes over lines of a checkpoint that nobody signed',
        'if (checkpoint.extensions.length > 0) throw',
        'if (checkpoint.extensions.length < 0) throw',
      ],
    ],
  },
  {
    file: 'verify/identity.ts',
    tests: OF_CERTIFICATES,
    mutants: [
      [
        'accepts a certificate of two identities',
        'if (countNames(extension.value) !== 1)',
        'if (countNames(extension.value) < 1)',
      ],
      [
        'accepts a certificate that names two issuers',
        'issuer !== undefined && other !== undefined && issuer !== other',
        'issuer !== undefined && other !== undefined && issuer.length !== other.length',
      ],
      ['accepts whatever identity a certificate has', 'if (!policy.accepts(text)) {', 'if (false) {'],
      ['takes the issuer from another extension', '`${FULCIO_ARC}.8`', '`${FULCIO_ARC}.9`'],
    ],
  },
  {
    file: 'verify/identity-policy.ts',
    tests: ['test/verify/bundle/verify-bundle.test.ts'],
    mutants: [
      [
        'takes a prefix of a name for the name',
        'accepts: (text) => text === wanted',
        'accepts: (text) => wanted.startsWith(text)',
      ],
    ],
  },
  {
    file: 'verify/deny-list.ts',
    tests: ['test/verify/deny-list.test.ts'],
    mutants: [
      ['takes a list that is no longer good', 'if (now <= expires) return;', 'return;'],
      [
        'denies by one criterion where a rule has two',
        'CRITERIA.every((criterion)',
        'CRITERIA.some((criterion)',
      ],
      [
        'denies no name that is written in capitals',
        'identity.toLowerCase() === facts.identity',
        'identity === facts.identity',
      ],
      [
        'misses a certificate of the very last moment',
        'until === undefined || earliest <= until',
        'until === undefined || earliest < until',
      ],
      [
        'misses a certificate of the very first moment',
        'from === undefined || latest >= from',
        'from === undefined || latest > from',
      ],
      [
        'takes a list that was changed after it was signed',
        'if (await crypto.verify(scheme, spki, bytes, signature)) return;',
        'return;',
      ],
    ],
  },
  {
    file: 'verify/verify-certificate.ts',
    tests: ['test/verify/verify-certificate.test.ts', 'test/verify/deny-list.test.ts'],
    mutants: [
      [
        'says yes where one step failed',
        'const ok = steps.every((step) => step.ok);',
        'const ok = steps.some((step) => step.ok);',
      ],
      [
        'does not check the signature of the SCT',
        'if (logged) await checkSct(record, logged, crypto);',
        'if (logged) void logged;',
      ],
      [
        'does not ask for a proof that is required',
        'proof === undefined && head === undefined && requireInclusion !== true ? []',
        'proof === undefined && head === undefined ? []',
      ],
    ],
  },
  {
    file: 'verify/trust.ts',
    tests: OF_TRUST,
    mutants: [
      [
        'trusts as a root what did not sign itself',
        'if (await isSelfSigned(root, crypto)) return root;',
        'return root;',
      ],
      [
        'trusts a log under an id that is not that of its key',
        'if (!equalBytes(sha256(publicKey), log.logId)) {',
        'if (false) {',
      ],
      [
        'always trusts the CAs of a trusted root',
        'windows.add([...chain.intermediates, chain.root], authority.window);',
        'windows.add([...chain.intermediates, chain.root]);',
      ],
      [
        'always trusts the logs of a trusted root',
        'if (read !== undefined) add(read, log.window);',
        'if (read !== undefined) add(read, ALWAYS);',
      ],
    ],
  },
  {
    file: 'trust/format/trusted-root.ts',
    tests: ['test/trust/format/trust-documents.test.ts', ...OF_TRUST],
    mutants: [
      ['trusts nobody at the first moment of a window', 'start <= time &&', 'start < time &&'],
      [
        'trusts nobody at the last moment of a window',
        '(time <= end && start < end)',
        '(time < end && start < end)',
      ],
      [
        'takes two keys for one log id',
        'if ((keys.get(id) ?? key) !== key)',
        "if ((keys.get(id) ?? key) === '')",
      ],
    ],
  },
  {
    file: 'verify/timestamp.ts',
    tests: OF_TIMESTAMPS,
    mutants: [
      [
        'takes a timestamp over other bytes',
        'if (!equalBytes(expected, digest)) throw',
        'if (expected.length !== digest.length) throw',
      ],
      [
        'takes the answer to another request',
        'if (!isNumber(info.nonce, nonce))',
        'if (info.nonce.length === 0)',
      ],
      ['takes a timestamp made under another policy', 'if (info.policy !== policy)', 'if (false)'],
      [
        'does not check the signature of the timestamp',
        'await checkTokenSignature(candidate, token, crypto);',
        '',
      ],
      ['takes a timestamp from the future', "requireNotAhead(info.time, clock, 'the timestamp');", ''],
    ],
  },
  {
    file: 'verify/timestamp-signer.ts',
    tests: OF_TIMESTAMPS,
    mutants: [
      ['trusts an authority outside its window', 'requireWithin([authority.window], [info.time], who);', ''],
      [
        'trusts a certificate of an authority outside its window',
        'trust.require(certificate, info.time, who);',
        '',
      ],
      [
        'takes a certificate that is for timestamps among other things',
        'usages?.size !== 1 || !usages.has(TIME_STAMPING)',
        'usages === undefined || !usages.has(TIME_STAMPING)',
      ],
      [
        'takes a digest of something else than the timestamp',
        'if (!equalBytes(await crypto.digest(digest, content), attributes.messageDigest))',
        'if (attributes.messageDigest.length === 0 || (await crypto.digest(digest, content)).length === 0)',
      ],
      [
        'takes a timestamp that names another certificate as its signer',
        "if (!isMeant) throw refused('the token says that it was signed with another certificate');",
        '',
      ],
      [
        'finds an authority by its serial number alone',
        'return equalBytes(certificate.issuer, id.issuer) && isSerial(certificate, id.serial);',
        'return isSerial(certificate, id.serial);',
      ],
      [
        'passes over certificates that are no part of the chain',
        'refuseStrays(presented, [...chain, ...path]);',
        '',
      ],
    ],
  },
  {
    file: 'verify/bundle/log-entry.ts',
    tests: OF_BUNDLES,
    mutants: [
      [
        'does not compare the entry with what was signed',
        'for (const { entry } of known) await requireBodyOf(entry, logged, digest);',
        'for (const { entry } of known) void requireBodyOf(entry, logged, digest).catch(() => undefined);',
      ],
      [
        'takes a signed entry timestamp of anybody',
        'if (!(await crypto.verify(log.scheme, log.publicKey, payload, promise)))',
        'if (false)',
      ],
      [
        'takes the time of an entry after the end of its log',
        'requireWithin(log.windows, [time], `the log ${log.name}`);\n  return',
        'return',
      ],
      [
        'accepts the proof of another entry than the bundle names',
        'if (api === 2 && proof.index !== entry.logIndex)',
        'if (api === 2 && proof.index > entry.logIndex)',
      ],
      [
        'accepts a proof that leads nowhere',
        'if (!verifyInclusion(crypto.sha256, { leafHash, index, size }, proof.hashes, proof.root))',
        'if (false)',
      ],
      [
        'accepts an entry without a proof',
        'const mayLack = isOld && api === 1;',
        'const mayLack = isOld || api === 1;',
      ],
      [
        'takes a promise of the log where a proof is required',
        'if (mayLack && requireInclusion && proof?.checkpoint === undefined)',
        'if (false)',
      ],
      [
        'accepts a checkpoint that nobody signed',
        'if (lines.length === 0) throw refused(`the checkpoint is not',
        'if (lines.length < 0) throw refused(`the checkpoint is not',
      ],
      [
        'accepts a checkpoint of another root than the proof',
        'if (!equalBytes(checkpoint.root, proof.root))',
        'if (checkpoint.root.length !== proof.root.length)',
      ],
      [
        'accepts a checkpoint of another size than the proof',
        'if (checkpoint.size !== proof.size)',
        'if (false)',
      ],
      [
        'accepts an entry of a log that had ended',
        'if (entry.promise === undefined) requireWithin(log.windows, times, `the log ${log.name}`);',
        'if (entry.promise !== undefined) requireWithin(log.windows, times, `the log ${log.name}`);',
      ],
    ],
  },
  {
    file: 'verify/bundle/cosigned.ts',
    tests: ['test/verify/bundle/witnessed-entries.test.ts'],
    mutants: [
      ['takes too few cosignatures', 'if (fault !== undefined)', 'if (names.length === 0)'],
      [
        'takes a cosignature of another head',
        'cosignedText(text, time), signature)',
        'cosignedText(text, time), signature).then(() => true)',
      ],
    ],
  },
  {
    file: 'verify/bundle/artifact-logs.ts',
    tests: [...OF_BUNDLES, 'test/cli/log/entry-proof.test.ts'],
    mutants: [
      [
        'finds the log of a checkpoint by its name alone',
        'equalBytes(keyId, logId.subarray(0, 4))',
        'keyId.length === 4 && logId.length > 0',
      ],
      [
        'takes a checkpoint whose origin begins like that of the log',
        'if (api === 2) return text === origin;',
        'if (api === 2) return text.startsWith(origin);',
      ],
      [
        'takes a key of another size than the trusted root says',
        "(key.type !== 'rsa' || bits === undefined || key.bits === bits)",
        "(key.type !== 'rsa' || bits === undefined || key.bits >= bits)",
      ],
    ],
  },
  {
    file: 'verify/bundle/signing-time.ts',
    tests: OF_BUNDLES,
    mutants: [
      [
        'counts a log of two names twice',
        'countHands(entries.map(({ log }) => [toHex(log.publicKey)]))',
        'countHands(entries.map(({ log }) => [toHex(log.logId)]))',
      ],
      ['takes one timestamp too few', 'if (found >= least) return;', 'if (found + 1 >= least) return;'],
      [
        'asks for no entry where the trust names a log',
        'least = logs.isNamed ? 1 : 0',
        'least = logs.isNamed ? 0 : 0',
      ],
      [
        'counts two timestamps of one authority as two',
        'marks.some((mark) => hand.has(mark))',
        'marks.every((mark) => hand.has(mark))',
      ],
      [
        'judges at the earliest time alone',
        'const judged = known.length === 0 && now !== undefined ? [now] : known;',
        'const judged = known.length === 0 && now !== undefined ? [now] : known.slice(0, 1);',
      ],
      [
        'takes a signing time from the future',
        'requireNotAhead(\n        time,',
        'requireNotAhead(\n        Math.min(time, policy.clock),',
      ],
    ],
  },
  {
    file: 'verify/present.ts',
    tests: [...OF_TIMESTAMPS, 'test/verify/bundle/verify-bundle.test.ts'],
    mutants: [
      [
        'refuses a time that is as far ahead as clocks may differ',
        'time <= clock + CLOCK_TOLERANCE',
        'time < clock + CLOCK_TOLERANCE',
      ],
      ['takes a time that is an hour ahead', '= 5 * 60_000;', '= 65 * 60_000;'],
    ],
  },
  {
    file: 'verify/bundle/signing-key.ts',
    tests: OF_BUNDLES,
    mutants: [
      [
        'accepts a bundle whose digest is that of another artifact',
        'if (!equalBytes(expected, digest.digest))',
        'if (expected.length !== digest.digest.length)',
      ],
      [
        'accepts a weak RSA key',
        'if (weakness !== undefined) throw refused(`the RSA key that signed ${weakness}`);',
        '',
      ],
      [
        'accepts a signature that does not hold',
        'if (holds === true) return',
        'if (holds !== undefined) return',
      ],
    ],
  },
  {
    file: 'verify/bundle/statement-check.ts',
    tests: OF_BUNDLES,
    mutants: [
      [
        'accepts a statement about another artifact',
        "if (!equalBytes(own, digest)) return 'other';",
        "if (own.length !== digest.length) return 'other';",
      ],
      [
        'accepts another predicate type',
        'if (predicateType !== wanted)',
        'if (predicateType.length !== wanted.length)',
      ],
      [
        'accepts whatever predicate there is',
        'if (!policy.accepts({ predicateType, predicate: predicate ?? null }))',
        'if (false)',
      ],
      [
        'takes an envelope of another type for a statement',
        'if (payloadType !== IN_TOTO_PAYLOAD_TYPE)',
        'if (false)',
      ],
    ],
  },
  {
    file: 'verify/bundle/verify-bundle.ts',
    tests: [...OF_BUNDLES, 'test/verify/deny-list.test.ts'],
    mutants: [
      [
        'says yes where a step was skipped',
        'steps.every((step) => step.ok) && skipped.length === 0',
        'steps.every((step) => step.ok)',
        'Whatever is skipped is skipped for a step that failed, so that one of the two is never wrong alone: it is a second lock.',
      ],
      [
        'does not check the names where it asks for extensions',
        'await checkNames(record, certificate, signer.identity);',
        'if ((signer.extensions ?? []).length === 0) await checkNames(record, certificate, signer.identity);',
      ],
      [
        'takes a certificate without SCT where the trust names a log',
        '(thresholds.scts ?? (trust.namesCertificateLog ? 1 : 0)) > 0',
        '(thresholds.scts ?? 0) > 0',
      ],
      [
        'does not ask the deny list about a certificate without SCT',
        'const subject = logged ? denySubjectOf(logged) : path && { certificate, path, seenAt: times };',
        'const subject = logged && denySubjectOf(logged);',
      ],
      [
        'takes a deny list that is no longer good',
        'if (request.deny !== undefined) requireCurrent(request.deny.list, request.deny.now);',
        '',
      ],
    ],
  },
  {
    file: 'verify/bundle/signature-budget.ts',
    tests: ['test/verify/bundle/signature-budget.test.ts'],
    mutants: [['checks signatures without end', 'if (left === 0) throw', 'if (left === -Infinity) throw']],
  },
  {
    file: 'rekor/format/entry-body.ts',
    tests: ['test/rekor/format/entry-body.test.ts', ...OF_BUNDLES],
    mutants: [
      [
        'takes an entry about something else',
        'if (equalBytes(utf8(JSON.stringify(expected)), body)) return;',
        'if (JSON.stringify(expected).length === body.length) return;',
      ],
    ],
  },
  {
    file: 'bundle/format/envelope.ts',
    tests: ['test/bundle/format/bundle.test.ts', ...OF_BUNDLES],
    mutants: [
      [
        'accepts an envelope of two signatures',
        'if (first === undefined || more.length > 0)',
        'if (first === undefined)',
      ],
    ],
  },
  {
    file: 'tsa/format/timestamp-token.ts',
    tests: OF_TIMESTAMPS,
    mutants: [
      [
        'takes a token of two signers by its first',
        'if (!signers.done) throw',
        'if (signers.done && content.length === 0) throw',
      ],
      ['takes an answer that refused for a timestamp', 'if (status > 1)', 'if (status > 2)'],
    ],
  },
  {
    file: 'tsa/format/attributes.ts',
    tests: OF_TIMESTAMPS,
    mutants: [['takes a signed attribute twice', 'if (found.has(type)) throw', "if (type === '') throw"]],
  },
];
