import type { MutatedFile } from './mutant.ts';

const OF_TOKENS = ['test/oidc/verify-token.test.ts', 'test/oidc/authenticate.test.ts'];
const OF_KEYS = ['test/oidc/keys/issuer-keys.test.ts'];
const OF_ISSUER_TYPES = [
  'test/oidc/core/principal.test.ts',
  'test/oidc/types/issuer-types.test.ts',
  'test/oidc/types/typed-tokens.test.ts',
];
const OF_POLICY = ['test/policy/snapshot.test.ts'];
const OF_REPLAY = ['test/policy/replay/replay-guard.test.ts'];
const OF_ISSUANCE = ['test/ca/issuance.test.ts', 'test/ca/issuance-log.test.ts'];
const OF_CHAINS = ['test/ca/authority.test.ts', 'test/ca/adopted-chains.test.ts', 'test/ca/adopt.test.ts'];

/** What decides who gets which certificate: `oidc/`, `policy/`, `ca/` and `server/fulcio/`. */
export const ISSUANCE: readonly MutatedFile[] = [
  {
    file: 'oidc/verify-token.ts',
    tests: [...OF_TOKENS, 'test/hostile/open-keys.test.ts'],
    mutants: [
      ['does not check the signature of a token', 'await verifySignature(token, policy.keys);', ''],
      [
        'takes a wrong signature for a right one',
        "if (!(await isSignedBy(token.compact, imported, token.algorithm))) return 'wrong';",
        "if (!(await isSignedBy(token.compact, imported, token.algorithm))) return 'right';",
      ],
      ['takes the token of another issuer', "if (claim(claims, 'iss') !== policy.url) {", 'if (false) {'],
      ['takes a token that has expired', "checkExpiry(claim(claims, 'exp'), now, chosen.leeway);", ''],
      [
        'takes a token that is not valid yet',
        "checkNotBefore(claim(claims, 'nbf'), now, chosen.leeway);",
        '',
      ],
      [
        'takes an algorithm that the issuer does not announce',
        'if (!algorithms.names.has(token.algorithm)) throw',
        'if (false) throw',
      ],
      [
        'takes a key whose private half anybody can compute',
        "return (await key.isSound()) ? 'right' : 'weak key';",
        "return 'right';",
      ],
    ],
  },
  {
    file: 'oidc/token-times.ts',
    tests: ['test/oidc/verify-token.test.ts'],
    mutants: [
      [
        'takes a token at the moment of its expiry',
        'if (expiry + leeway > now) return;',
        'if (expiry + leeway >= now) return;',
      ],
      [
        'refuses a token that begins as late as clocks may differ',
        'if (start <= now + NOT_BEFORE_LEEWAY + leeway) return;',
        'if (start < now + NOT_BEFORE_LEEWAY + leeway) return;',
      ],
      ['takes seconds for milliseconds', "seconds(value, 'exp') * 1000", "seconds(value, 'exp') * 1_000_000"],
      [
        'takes a token without an expiry',
        'if (value === undefined) {',
        'if (value === undefined) return;\n  if (value === null) {',
      ],
    ],
  },
  {
    file: 'oidc/audience-choice.ts',
    tests: ['test/oidc/authenticate.test.ts', 'test/oidc/issuer-block.test.ts', ...OF_TOKENS],
    mutants: [
      [
        'takes one of two blocks that a token could mean',
        'if (chosen !== undefined && chosen !== block) throw this.#ambiguous(list);',
        '',
      ],
      [
        'takes whatever audience a token has',
        'if (chosen !== undefined) return chosen;',
        'if (chosen !== undefined) return chosen;\n    for (const one of this.#byAudience.values()) return one;',
      ],
    ],
  },
  {
    file: 'oidc/token.ts',
    tests: ['test/oidc/token.test.ts'],
    mutants: [
      [
        'takes a token with two claims of one name',
        'if (checkValue(value, part, 0) !== namesWritten(json)) {',
        'if (checkValue(value, part, 0) > namesWritten(json)) {',
      ],
      [
        'takes a token that demands an extension',
        "if (Object.hasOwn(header, 'crit')) throw",
        "if (Object.hasOwn(header, 'critical')) throw",
      ],
      ['takes an unsigned token', "if (signature === '') {", 'if (false) {'],
      ['takes a token of any length', 'if (compact.length > MAX_TOKEN_LENGTH) {', 'if (false) {'],
      [
        'takes two spellings of one signature',
        '!canonical || !BASE64URL.test(text)',
        '!BASE64URL.test(text)',
      ],
      ['reads claims of any depth', 'if (depth === MAX_DEPTH) throw', 'if (depth === Infinity) throw'],
    ],
  },
  {
    file: 'oidc/issuer-pattern.ts',
    tests: ['test/oidc/issuer-pattern.test.ts', 'test/oidc/meta-issuers.test.ts'],
    mutants: [
      [
        'lets a star stand for dots and slashes',
        'const WILD = /^[-_a-zA-Z0-9]+$/;',
        'const WILD = /^[-_a-zA-Z0-9./]+$/;',
      ],
      [
        'lets a star stand for nothing',
        'const WILD = /^[-_a-zA-Z0-9]+$/;',
        'const WILD = /^[-_a-zA-Z0-9]*$/;',
      ],
      [
        'does not look at the end of a URL',
        '!url.startsWith(this.#first) || !url.endsWith(last)',
        '!url.startsWith(this.#first)',
      ],
    ],
  },
  {
    file: 'oidc/meta-issuers.ts',
    tests: ['test/oidc/meta-issuers.test.ts'],
    mutants: [
      [
        'takes a URL with a user or a query for that of an issuer',
        'meta !== undefined && isPlainUrl(url) ? meta : undefined',
        'meta',
      ],
      [
        'prefers the pattern that says less',
        'return b.literals - a.literals;',
        'return a.literals - b.literals;',
      ],
    ],
  },
  {
    file: 'oidc/keys/issuer-keys.ts',
    tests: [...OF_KEYS, 'test/oidc/keys/issuer-documents.test.ts'],
    mutants: [
      [
        'serves keys for a day after the issuer withdrew them',
        'const STALE_AGE = 60 * MINUTE;',
        'const STALE_AGE = 1440 * MINUTE;',
      ],
      [
        'asks an issuer again for each unknown key',
        'this.#since(this.#searchedAt) < RETRY_INTERVAL',
        'this.#since(this.#searchedAt) < 0',
      ],
      [
        'asks an issuer again at once after it failed',
        'this.#since(failure.at) < RETRY_INTERVAL',
        'this.#since(failure.at) < 0',
      ],
      [
        'forgets all keys when an issuer publishes none',
        'if (this.#isLoss(keys)) throw emptied(jwksUri);',
        '',
      ],
      [
        'trusts old keys after the clock went back',
        'return age < 0 ? Number.POSITIVE_INFINITY : age;',
        'return age;',
      ],
      [
        'reaches private addresses for hosts that the configuration does not name',
        'const publicOnly = !this.#namedHosts.has(url.hostname);',
        'const publicOnly = false;',
      ],
      ['lets one more wait than may', 'this.#waiting >= MAX_WAITING', 'this.#waiting > MAX_WAITING'],
    ],
  },
  {
    file: 'oidc/keys/discovery.ts',
    tests: ['test/oidc/keys/issuer-documents.test.ts', ...OF_KEYS],
    mutants: [
      [
        'takes the discovery document of another issuer',
        'if (found !== issuer) throw',
        'if (found === undefined) throw',
      ],
    ],
  },
  {
    file: 'oidc/keys/key-set.ts',
    tests: ['test/oidc/keys/issuer-documents.test.ts', 'test/oidc/keys/verification-key.test.ts'],
    mutants: [
      ['tries every key of an issuer', '.slice(0, MAX_TRIED)', ''],
      ['takes a set of any number of keys', 'if (keys.length > MAX_KEYS)', 'if (keys.length > Infinity)'],
    ],
  },
  {
    file: 'oidc/keys/verification-key.ts',
    tests: ['test/oidc/keys/verification-key.test.ts', ...OF_TOKENS],
    mutants: [
      ['tries keys of another id', '(keyId === undefined || keyId === this.keyId) && ', ''],
      [
        'takes a key for algorithms that it is not for',
        'declared === undefined || declared === name',
        'declared === undefined || declared !== undefined',
      ],
    ],
  },
  {
    file: 'oidc/keys/key-flaws.ts',
    tests: ['test/oidc/keys/verification-key.test.ts', 'test/hostile/open-keys.test.ts'],
    mutants: [
      [
        'takes a key for encryption',
        "if (use !== undefined && use !== 'sig') return",
        "if (use === '') return",
      ],
      ['takes a key of 1024 bits', 'const MIN_RSA_BITS = 2047;', 'const MIN_RSA_BITS = 1024;'],
      [
        'takes an exponent of 1',
        'return value >= 3 && value % 2 === 1',
        'return value >= 1 && value % 2 === 1',
      ],
    ],
  },
  {
    file: 'oidc/keys/static-keys.ts',
    tests: ['test/oidc/keys/static-keys.test.ts'],
    mutants: [['takes a private key for a public one', 'SECRETS.every((name)', 'SECRETS.some((name)']],
  },
  {
    file: 'oidc/keys/fetch-document.ts',
    tests: [
      'test/oidc/keys/fetch-document.test.ts',
      'test/oidc/keys/issuer-documents.test.ts',
      'test/oidc/keys/kubernetes-fetcher.test.ts',
    ],
    mutants: [
      [
        'follows a redirect to another host',
        'if (to?.host !== from.host || to.protocol !== from.protocol) {',
        'if (to === null) {',
      ],
      [
        'sends the bearer token along a redirect',
        'redirects === 0 ? limits.bearer : undefined',
        'limits.bearer',
      ],
      ['reads a document of any size', 'if (total > size) break;', ''],
      ['takes a document of any size', 'if (total > size) throw tooLong(asked.url.href, size);', ''],
    ],
  },
  {
    file: 'oidc/keys/public-connector.ts',
    tests: [
      'test/oidc/keys/public-connector.test.ts',
      'test/oidc/keys/issuer-documents.test.ts',
      'test/hostile/rebinding.test.ts',
    ],
    mutants: [
      [
        'connects to a private address that stands in the URL',
        'if (isNearbyAddress(target.hostname)) callback',
        'if (false) callback',
      ],
      [
        'connects to a private address that a name leads to',
        'const usable = found.filter(({ address }) => !isSpecialUse(address));',
        'const usable = found;',
      ],
    ],
  },
  {
    file: 'oidc/types/email-issuer.ts',
    tests: OF_ISSUER_TYPES,
    mutants: [
      [
        'takes an e-mail address that nobody verified',
        'if (!emailVerified(claims) && !skipVerification) {',
        'if (!emailVerified(claims) && skipVerification) {',
      ],
      ['takes anything for an e-mail address', 'if (isEmailAddress(email)) return email;', 'return email;'],
      [
        'takes any issuer that a claim names',
        'if (allowed === undefined || allowed.has(issuer)) return issuer;',
        'if (allowed === undefined || allowed.size > 0) return issuer;',
      ],
    ],
  },
  {
    file: 'oidc/types/email-claims.ts',
    tests: OF_ISSUER_TYPES,
    mutants: [
      [
        'takes an address without the word of its issuer for verified',
        '[undefined, false],',
        '[undefined, true],',
      ],
    ],
  },
  {
    file: 'oidc/types/spiffe-issuer.ts',
    tests: OF_ISSUER_TYPES,
    mutants: [
      [
        'takes a workload of another trust domain',
        'if (found !== wanted) {',
        'if (!found.endsWith(wanted)) {',
      ],
    ],
  },
  {
    file: 'oidc/types/uri-issuer.ts',
    tests: OF_ISSUER_TYPES,
    mutants: [
      [
        'takes a subject at another host',
        'if (url.hostname !== domain.hostname) {',
        'if (!url.hostname.endsWith(domain.hostname)) {',
      ],
      [
        'takes a subject of another scheme',
        'if (url.scheme !== domain.scheme) {',
        "if (url.scheme === '') {",
      ],
    ],
  },
  {
    file: 'oidc/types/username-issuer.ts',
    tests: OF_ISSUER_TYPES,
    mutants: [
      [
        'takes a user name that names a domain itself',
        "if (name.includes('!')) throw",
        "if (name === '!') throw",
      ],
    ],
  },
  {
    file: 'oidc/types/subject-domain.ts',
    tests: ['test/oidc/issuer-block.test.ts', ...OF_ISSUER_TYPES],
    mutants: [
      [
        'lets an issuer speak for another domain',
        'lastTwoLabels(subject) === lastTwoLabels(issuer)',
        'lastTwoLabels(subject).length === lastTwoLabels(issuer).length',
      ],
    ],
  },
  {
    file: 'oidc/types/ci-provider-issuer.ts',
    tests: [
      'test/oidc/template/template.test.ts',
      'test/oidc/template/public-good-templates.test.ts',
      'test/oidc/types/whole-names.test.ts',
      ...OF_ISSUER_TYPES,
    ],
    mutants: [
      [
        'lets a template set the issuer',
        "text.trim() !== '' && !FORCED.includes(number)",
        "text.trim() !== ''",
      ],
      [
        'prefers what a token says to what the configuration pins',
        'if (fixed !== undefined) return fixed;',
        'if (fixed !== undefined && valueAt(claims, path) === undefined) return fixed;',
      ],
    ],
  },
  {
    file: 'policy/issuer-policy.ts',
    tests: [...OF_POLICY, 'test/server/in-flight.test.ts'],
    mutants: [
      [
        'passes over the rules',
        'if (!decision.allowed) throw',
        "if (!decision.allowed && decision.reason === 'RULE_FAILED') throw",
      ],
      [
        'passes over rules that are required',
        'if (policy.requireRules && !this.#rules.hasAllow) throw',
        'if (false) throw',
      ],
      [
        'does not ask whether a token was used before',
        'if (this.#guard.wasUsed(token.key)) throw this.#replayed();',
        '',
      ],
      [
        'issues for a token that was used before',
        'if (await guard.markUsed(key, expires)) return both;',
        'await guard.markUsed(key, expires);\n      return both;',
      ],
      [
        'forgets a token before its leeway is over',
        "(Number(claims['exp']) + (definition.leewaySeconds ?? 0)) * 1000",
        "Number(claims['exp']) * 1000",
      ],
      ['counts all identities of an issuer as one', 'own?.take(who)', "own?.take('')"],
      [
        'counts against the issuer what its own limit refused',
        'if (ofOwn !== undefined) own?.refund(ofOwn);\n        throw limited',
        'throw limited',
      ],
      ['does not ask the newer policy for the key', 'requireDemanded(key, this.demands);\n', ''],
    ],
  },
  {
    file: 'policy/rules/rule-decision.ts',
    tests: ['test/policy/rules/rules.test.ts'],
    mutants: [
      [
        'lets an allow prevail over a deny',
        'if (denied !== undefined) return deniedBy(denied);',
        "if (denied !== undefined && holding('allow') === undefined) return deniedBy(denied);",
      ],
      [
        'allows where a rule failed',
        "if (typeof failure === 'object') return failedBy",
        "if (typeof failure === 'object' && failed < 0) return failedBy",
      ],
      [
        'allows what no rule allows',
        'allow.length > 0 && allowed === undefined',
        'allow.length > 1 && allowed === undefined',
      ],
    ],
  },
  {
    file: 'policy/rules/rules.ts',
    tests: ['test/policy/rules/rules.test.ts', 'test/policy/rules/cost.test.ts'],
    mutants: [
      [
        'decides a deny by whatever a mismatch means',
        "outcome.isMismatch !== true || effect === 'deny'",
        'outcome.isMismatch !== true',
      ],
    ],
  },
  {
    file: 'policy/rate-limit.ts',
    tests: ['test/policy/rate-limit.test.ts'],
    mutants: [
      [
        'forgets what was counted when the configuration is read again',
        'previous !== undefined && same ? previous',
        'previous !== undefined && !same ? previous',
      ],
      ['counts per second what is meant per minute', 'const MINUTE = 60_000;', 'const MINUTE = 1000;'],
    ],
  },
  {
    file: 'policy/shared/shared-limits.ts',
    tests: ['test/policy/shared/shared-limits.test.ts'],
    mutants: [
      [
        'lets one more through than a shared bucket has',
        'floor((excluded.capacity - d.debt) / excluded.step',
        'floor((excluded.capacity - d.debt) / excluded.step + 1',
      ],
      ['forgets shared buckets that are not full', 'at + debt < ${NOW}', 'at < ${NOW} + debt'],
    ],
  },
  {
    file: 'core/token-bucket.ts',
    tests: ['test/core/token-bucket.test.ts'],
    mutants: [
      [
        'allows one more at once than the burst',
        'const wait = fullAt - now - interval * burst;',
        'const wait = fullAt - now - interval * (burst + 1);',
      ],
      [
        'takes a step of the clock back for time that passed',
        'if (read > this.#lastRead) this.#time += read - this.#lastRead;',
        'this.#time += Math.abs(read - this.#lastRead);',
      ],
    ],
  },
  {
    file: 'policy/replay/replay-database.ts',
    tests: [...OF_REPLAY, 'test/bounds.test.ts'],
    mutants: [
      ['takes every use for the first', '.changes === 1)', '.changes >= 0)'],
      [
        'forgets a token at its very expiry',
        'export const KEPT_LONGER = 3_600_000;',
        'export const KEPT_LONGER = 0;',
      ],
      [
        'holds more tokens than it may',
        'if (held + uses.length > this.#mostKeys) throw',
        'if (held > this.#mostKeys) throw',
      ],
      ['uses a file of another format', 'if (format !== FORMAT) throw unknownFormat(path);', ''],
      [
        'does not sync what it was asked to remember',
        'PRAGMA journal_mode = WAL; ${DURABLE}',
        'PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;',
      ],
    ],
  },
  {
    file: 'policy/replay/replay-key.ts',
    tests: [...OF_REPLAY, ...OF_POLICY],
    mutants: [
      ['takes the ids of two issuers for one', '`jti\\0${issuer}\\0${id}`', '`jti\\0${id}`'],
      [
        'takes a token with another signature for another token',
        "compact.slice(0, compact.lastIndexOf('.'))",
        'compact',
      ],
    ],
  },
  {
    file: 'policy/replay/replay-guard.ts',
    tests: OF_REPLAY,
    mutants: [
      [
        'takes an answer that is missing for the first use',
        'resolve(isFirst[i] === true)',
        'resolve(isFirst[i] !== false)',
        'The worker answers with one value for each token that it was asked about, so that none is missing.',
      ],
    ],
  },
  {
    file: 'ca/possession.ts',
    tests: [
      'test/ca/possession.test.ts',
      'test/ca/csr.test.ts',
      'test/ca/issuance.test.ts',
      'test/server/in-flight.test.ts',
    ],
    mutants: [
      ['takes any bytes for a proof of possession', 'if (!good) {', 'if (proof.length > 1000) {'],
      [
        'takes a certificate request that another key signed',
        '!fits || !verifies(key.handle, scheme.hash, csr.info, csr.signature)',
        '!fits',
      ],
      ['takes a certificate request where none is accepted', 'if (!demands.csr) throw csrNotAccepted();', ''],
      [
        'lets a key through that the issuer block does not permit',
        "permit(key.type, hash);\n  return new ProvenKeyValue(key, 'challenge', hash);",
        "return new ProvenKeyValue(key, 'challenge', hash);",
      ],
      [
        'does not ask the newer policy for certificate requests',
        "if (provenBy === 'csr' && !csr) throw csrNotAccepted();",
        '',
      ],
    ],
  },
  {
    file: 'ca/key-policy.ts',
    tests: ['test/ca/request-key.test.ts'],
    mutants: [
      [
        'takes another exponent than 65537',
        "if (!equalBytes(info.exponent, F4)) return insecure('has a public exponent other than 65537');",
        '',
      ],
      [
        'takes a modulus that anybody can factor',
        'return weakness === undefined ? { good: true, type } : insecure(weakness);',
        'return weakness === undefined || info.bits > 0 ? { good: true, type } : insecure(weakness);',
      ],
    ],
  },
  {
    file: 'ca/issuance.ts',
    tests: [...OF_ISSUANCE, 'test/server/replay-guard.test.ts', 'test/server/fulcio/signing-calls.test.ts'],
    mutants: [
      [
        'does not ask the policy',
        'const grant = await policy.authorize(identity, key, request.token);',
        'const grant: Grant = { lifetimeSeconds: 600 };',
      ],
      [
        'issues by a policy that was replaced meanwhile',
        'if (current !== decidedBy) current.requireStillAllowed(identity, key);',
        '',
      ],
      [
        'issues while the log says that it cannot',
        'const refusal = log.refusal() ?? authority.signer.remote?.refusal() ?? audit?.refusal();',
        'const refusal = authority.signer.remote?.refusal() ?? audit?.refusal();',
      ],
      [
        'issues while the audit says that it cannot',
        'const refusal = log.refusal() ?? authority.signer.remote?.refusal() ?? audit?.refusal();',
        'const refusal = log.refusal() ?? authority.signer.remote?.refusal();',
      ],
      [
        'uses up tokens while the key of the CA is known not to sign',
        'const refusal = log.refusal() ?? authority.signer.remote?.refusal() ?? audit?.refusal();',
        'const refusal = log.refusal() ?? audit?.refusal();',
      ],
      ['counts a request against the limits that got no certificate', 'refundable?.refund?.();', ''],
      ['takes a key whose private half anybody can compute', 'if (weakness !== undefined) {', 'if (false) {'],
      [
        'counts nothing for a certificate that may be in the log',
        'if (isNotLogged(error)) throw error;\n        refundable = undefined;',
        'if (isNotLogged(error)) throw error;',
      ],
    ],
  },
  {
    file: 'ca/certificate.ts',
    tests: ['test/ca/profile.test.ts', ...OF_ISSUANCE],
    mutants: [
      ['signs a certificate before its entry is in the log', 'if (!isLogged(logged)) {', 'if (false) {'],
      [
        'signs another certificate than was logged',
        'if (plain === undefined || Buffer.compare(plain, entry.tbs) !== 0) {',
        'if (plain === undefined) {',
      ],
      [
        'takes the SCT of another entry',
        "if (!equalBytes(hash('sha256', hashInput, 'buffer'), logged.leafHash)) {",
        'if (false) {',
      ],
      [
        'signs a certificate whose SCT is later than its end',
        'sct.timestamp < notBefore || sct.timestamp > notAfter',
        'sct.timestamp < notBefore',
      ],
    ],
  },
  {
    file: 'ca/precertificate.ts',
    tests: [...OF_ISSUANCE, 'test/ca/profile.test.ts'],
    mutants: [
      [
        'signs for a key that nobody proved to have',
        "if (!isProven(content.key)) throw new ReleaseError('NOT_PROVEN', 'the key was never proven to be held');",
        '',
      ],
      [
        'does not mark the poison as critical',
        'Uint8Array.of(Tag.null, 0), true)',
        'Uint8Array.of(Tag.null, 0), false)',
      ],
    ],
  },
  {
    file: 'ca/validity.ts',
    tests: ['test/ca/validity.test.ts'],
    mutants: [
      [
        'issues beyond the end of its own CA',
        'Math.min(notBefore + lifetimeSeconds * 1000, within.notAfter)',
        'notBefore + lifetimeSeconds * 1000',
      ],
      ['issues from a CA at its end', 'if (notAfter <= notBefore) {', 'if (notAfter < notBefore) {'],
    ],
  },
  {
    file: 'ca/serial.ts',
    tests: ['test/ca/serial.test.ts'],
    mutants: [['makes negative serial numbers', '& 0x7f', '& 0xff']],
  },
  {
    file: 'ca/extension-writer.ts',
    tests: ['test/ca/profile.test.ts', ...OF_ISSUANCE],
    mutants: [
      [
        'does not mark the name as critical',
        "concat([oid('2.5.29.17'), boolean(true)])",
        "concat([oid('2.5.29.17')])",
      ],
      ['issues for another usage than code signing', '1.3.6.1.5.5.7.3.3', '1.3.6.1.5.5.7.3.4'],
      [
        'allows the key to sign certificates',
        'Uint8Array.of(Tag.bitString, 2, 7, 0x80)',
        'Uint8Array.of(Tag.bitString, 2, 2, 0x84)',
      ],
    ],
  },
  {
    file: 'ca/size-limits.ts',
    tests: ['test/ca/profile.test.ts'],
    mutants: [
      ['signs a certificate of any size', 'if (tlvSize(content) > MAX_TBS) throw', 'if (false) throw'],
    ],
  },
  {
    file: 'ca/chain-checks.ts',
    tests: OF_CHAINS,
    mutants: [
      ['starts with a CA that has expired', 'if (now > cert.notAfter + 999) {', 'if (false) {'],
      [
        'starts with a chain that is not one',
        'if (!equalBytes(cert.issuer, parent.subject)) {',
        'if (false) {',
      ],
      ['starts with a chain of wrong signatures', 'if (!isSignedBy(cert, parent)) {', 'if (false) {'],
      [
        'starts with a CA that allows none below it',
        'constraints.pathLength < index',
        'constraints.pathLength < index - 1',
      ],
    ],
  },
  {
    file: 'ca/authority.ts',
    tests: OF_CHAINS,
    mutants: [
      [
        'signs with a key that is not that of its certificate',
        'if (same && verify(digest ?? null, PROBE, key, await signer.sign(PROBE))) return;',
        'return;',
      ],
      [
        'takes the word of a signer for its key',
        'if (same && verify(digest ?? null, PROBE, key, await signer.sign(PROBE))) return;',
        'if (same) return;',
      ],
    ],
  },
  {
    file: 'ca/timestamp-chain.ts',
    tests: ['test/ca/timestamp-certificate.test.ts'],
    mutants: [
      [
        'takes a chain for timestamps below another root',
        'if (root !== undefined && !equalBytes(root, authorities.at(-1)?.der ?? root.subarray(1))) throw otherRoot();',
        '',
      ],
      [
        'takes a certificate for timestamps and other things',
        'usages?.length !== 1 || usages[0] !== TIME_STAMPING',
        'usages?.[0] !== TIME_STAMPING',
      ],
    ],
  },
  {
    file: 'ca/timestamp-certificate.ts',
    tests: ['test/ca/timestamp-certificate.test.ts'],
    mutants: [
      [
        'certifies the key of a CA for timestamps',
        'if (asked.wantsTimestamps) return',
        'if (asked.wantsTimestamps || rootDer.length > 0) return',
      ],
    ],
  },
  {
    file: 'ca/renewal.ts',
    tests: ['test/ca/renewal.test.ts'],
    mutants: [
      [
        'makes a CA that outlives its root',
        'Math.min(now + INTERMEDIATE_LIFETIME, rootCert.notAfter.getTime())',
        'now + INTERMEDIATE_LIFETIME',
      ],
    ],
  },
  {
    file: 'server/fulcio/signing-calls.ts',
    tests: ['test/server/fulcio/signing-calls.test.ts', 'test/server/audit.test.ts'],
    mutants: [
      [
        'answers before the audit has the line',
        'if (recorded !== undefined) await recorded;',
        'void recorded;',
      ],
      [
        'answers by a policy that was replaced after the audit had the line',
        'const refused = this.#issuance.refusalMeanwhile(outcome);\n    if (refused !== undefined) return this.#refused(refused);\n    this.#records',
        'this.#records',
      ],
      ['keeps the slot of a request for ever', 'slot.leave();', ''],
    ],
  },
  {
    file: 'service/workers/worker-desk.ts',
    tests: ['test/service/workers.test.ts'],
    mutants: [
      [
        'counts nothing of what workers let through',
        'return this.#refunds.keep(await decider.count(use));',
        'return undefined;',
      ],
    ],
  },
  {
    file: 'service/workers/http-workers.ts',
    tests: ['test/service/workers.test.ts'],
    mutants: [
      [
        'puts a configuration in force that one worker refused',
        "if (no?.status === 'rejected') {",
        "if (no?.status === 'rejected' && asked.length === 0) {",
      ],
    ],
  },
  {
    file: 'server/fulcio/in-flight-limit.ts',
    tests: ['test/server/fulcio/signing-calls.test.ts', 'test/server/limits.test.ts'],
    mutants: [['works on as many requests as come', 'if (!limit.enter()) throw busy();', 'limit.enter();']],
  },
  {
    file: 'core/concurrency-limit.ts',
    tests: ['test/server/in-flight.test.ts', 'test/server/limits.test.ts'],
    mutants: [
      [
        'lets one more in than the limit',
        'if (this.#used + amount > this.limit) return false;',
        'if (this.#used + amount > this.limit + 1) return false;',
      ],
    ],
  },
  {
    file: 'server/fulcio/signing-request-json.ts',
    tests: ['test/server/fulcio/signing-request-json.test.ts'],
    mutants: [
      [
        'takes one of two spellings of a field',
        'if (value !== undefined && other !== undefined) {',
        'if (false) {',
      ],
    ],
  },
];
