import type { MutatedFile } from './mutant.ts';

const OF_ADMISSION = ['test/server/rekor/admission.test.ts', 'test/server/artifact-logs.test.ts'];

/** What decides how much a caller may have, and who may have anything at all: `server/`. */
export const LIMITS: readonly MutatedFile[] = [
  {
    file: 'server/http/client-address.ts',
    tests: ['test/server/http/client-address.test.ts'],
    mutants: [
      [
        'believes what a client says of its own address',
        'while (isTrusted(address)) {',
        'while (address !== undefined) {',
      ],
      [
        'believes the leftmost address',
        "const comma = end === 0 ? -1 : header.lastIndexOf(',', end - 1);",
        'const comma = -1;',
      ],
      ['counts each address of a network of IPv6 alone', '.slice(0, 4);', '.slice(0, 8);'],
    ],
  },
  {
    file: 'server/http/request-body.ts',
    tests: ['test/server/http/request-body.test.ts', 'test/server/limits.test.ts'],
    mutants: [
      [
        'takes a body of any length',
        '} else if (chunks.size > longest) {',
        '} else if (chunks.size > Infinity) {',
      ],
      ['takes a body in crumbs', 'if (chunks.isFragmented) {', 'if (false) {'],
    ],
  },
  {
    file: 'server/http/body-memory.ts',
    tests: ['test/server/http/request-body.test.ts'],
    mutants: [
      ['holds bodies without a limit', 'while (this.used > this.#limit) {', 'while (this.used > Infinity) {'],
      [
        'lets large bodies take the room of small ones',
        'this.#large = new Share(limit / 2);',
        'this.#large = this.#small;',
      ],
    ],
  },
  {
    file: 'server/http/connection-account.ts',
    tests: [
      'test/bounds.test.ts',
      'test/server/http/parser-limits.test.ts',
      'test/server/http/connection-account.test.ts',
    ],
    mutants: [
      [
        'takes one more request of a connection at a time',
        'export const MAX_UNANSWERED = 8;',
        'export const MAX_UNANSWERED = 9;',
      ],
      ['closes connections that are worked for', 'if (account.requests.making > 0) continue;', ''],
    ],
  },
  {
    file: 'server/http/connection-guard.ts',
    tests: ['test/server/http/connection-guard.test.ts', 'test/server/limits.test.ts'],
    mutants: [
      ['has any number of connections', 'if (connections.size > limit)', 'if (connections.size > Infinity)'],
      [
        'closes those that got a certificate first',
        'this.#unproven.size > 0 ? this.#unproven.keys() : this.#proven.keys()',
        'this.#proven.size > 0 ? this.#proven.keys() : this.#unproven.keys()',
      ],
      [
        'holds any number of heads',
        'if (this.size * MAX_HELD_HEADS <= limit) return;',
        'if (limit > 0) return;',
      ],
    ],
  },
  {
    file: 'server/http/parser-limits.ts',
    tests: ['test/server/http/parser-limits.test.ts', 'test/server/http/kept-heads.test.ts'],
    mutants: [
      ['lets one connection leave heads with the parser', '.bytes > MAX_HEAD;', '.bytes > Infinity;'],
      ['uses parsers again, whatever they keep', '.bytes > MAX_KEPT)', '.bytes > Infinity)'],
      ['parses headers without end', '< MAX_HEADERS) return;', '< Infinity) return;'],
      ['parses requests without end', '?? 0) < MAX_UNANSWERED)', '?? 0) < Infinity)'],
    ],
  },
  {
    file: 'server/http/unsent-response-limit.ts',
    tests: ['test/server/http/unsent-response-limit.test.ts'],
    mutants: [
      [
        'holds any number of answers for one client',
        'this.#clients.of(client) + bytes > perClient',
        'this.#clients.of(client) + bytes > Infinity',
      ],
      ['holds answers without a limit', 'this.#total + bytes > total', 'this.#total + bytes > Infinity'],
    ],
  },
  {
    file: 'server/log/read-limiter.ts',
    tests: ['test/server/log/read-limiter.test.ts'],
    mutants: [
      [
        'lets one client have all of the reads',
        'this.#runningPerClient = Math.ceil(concurrency / 2);',
        'this.#runningPerClient = concurrency;',
      ],
      [
        'lets one more wait than may',
        'if (own >= this.#waitingPerClient) return false;',
        'if (own > this.#waitingPerClient) return false;',
      ],
      [
        'reads one more at a time than it may',
        'this.#running < this.#concurrency &&',
        'this.#running <= this.#concurrency &&',
      ],
    ],
  },
  {
    file: 'server/log/log-access.ts',
    tests: ['test/service/open-service.test.ts', 'test/server/log/log-routes.test.ts'],
    mutants: [
      [
        'takes any token for the one that is asked for',
        'if (sent !== undefined && timingSafeEqual(digest(sent), expected)) return undefined;',
        'if (sent !== undefined) return undefined;',
      ],
      [
        'takes what a proxy passes on for a request of this machine',
        'return isLocal && !isForwarded ? undefined : refusal;',
        'return isLocal ? undefined : refusal;',
      ],
      [
        'takes a request for another name for one of this machine',
        'isLoopbackAddress(clientAddress(request)) && isLoopbackHostname(hostname)',
        'isLoopbackAddress(clientAddress(request))',
      ],
      [
        'lets a log for this machine alone be read through a proxy',
        'if (!proxies.behindTlsProxy && proxies.trustedProxies.length === 0) return;',
        'return;',
      ],
    ],
  },
  {
    file: 'server/grpc/field-bounds.ts',
    tests: ['test/server/grpc/field-bounds.test.ts', 'test/bounds.test.ts'],
    mutants: [['reads any number of fields', 'if (left-- === 0 ||', 'if (left-- === -1000 ||']],
  },
  {
    file: 'server/rekor/admission.ts',
    tests: OF_ADMISSION,
    mutants: [
      [
        'logs signatures by keys that nobody listed',
        "if (!listed.has(toBase64(spki))) throw refused('the key is not among those that the operator lists');",
        '',
      ],
      [
        'logs signatures by certificates of another CA',
        'return scheme.keyType === by.key.asymmetricKeyType && signs(by.key, scheme.hash ?? null, tbs, signature);',
        'return true;',
      ],
      [
        'logs signatures by certificates that were not logged',
        "if (!isLogged(parsed, issuer, logKeys)) throw refused('the certificate has no SCT of a log of this CA');",
        '',
      ],
      [
        'logs signatures by certificates that have ended',
        'if (left <= 0) return',
        'if (left <= -Infinity) return',
      ],
      [
        'logs signatures by certificates that end before their entry has its time',
        'if (left <= LEAST_LEFT) return',
        'if (left < 0) return',
      ],
      [
        'takes the SCT of any log',
        "return signs(logKey, 'sha256', sctLeaf(certificate, keyHash, sct), sct.signature);",
        'return true;',
      ],
    ],
  },
  {
    file: 'server/rekor/logged-certificates.ts',
    tests: ['test/server/rekor/logged-certificates.test.ts', 'test/server/artifact-logs.test.ts'],
    mutants: [
      [
        'believes an SCT of which the log has nothing',
        'if (await holds(log, leafHash, parseLeafIndex(sct.extensions))) return true;',
        'return true;',
      ],
    ],
  },
  {
    file: 'server/rekor/entry-additions.ts',
    tests: [
      'test/server/rekor/existing-entries.test.ts',
      'test/server/rekor/v1-endpoint.test.ts',
      'test/server/rekor/v2-endpoint.test.ts',
      'test/server/rekor/redacted-entries.test.ts',
    ],
    mutants: [
      [
        'answers before the audit has the line of an entry',
        'await this.#records.logged(proposal, added, caller, needsLine);',
        'void this.#records.logged(proposal, added, caller, needsLine);',
      ],
      [
        'writes no line for an entry whose line failed',
        'const needsLine = added.isNew || this.#lines.isOwed(key, added.log);',
        'const needsLine = added.isNew;',
      ],
      [
        'signs for an entry that was redacted',
        'if (added.entry.redaction !== undefined) throw redactedEntry(added.entry);',
        '',
      ],
      [
        'counts no request against the limit',
        'const taken = await limiter.take(clientNetwork(address));',
        'const taken = await limiter.take(String(Math.random()));',
      ],
      [
        'counts one signature of an envelope for all',
        'charge(checkCost(verifier) - (admitted++ === 0 ? 1 : 0));',
        'charge(0);',
      ],
      [
        'says an entry is there to those who may not read the log',
        'if (refusal !== undefined && !mayRead) throw refusal;',
        '',
      ],
      [
        'adds to a log whose trust has ended',
        'current.refusal() ?? (end !== undefined && clock() > end ? untrusted(end) : audit?.refusal())',
        'current.refusal() ?? (end !== undefined && clock() < 0 ? untrusted(end) : audit?.refusal())',
      ],
      [
        'adds while the audit says that it cannot',
        'untrusted(end) : audit?.refusal())',
        'untrusted(end) : undefined)',
      ],
    ],
  },
  {
    file: 'server/timestamp/timestamp-endpoint.ts',
    tests: ['test/server/timestamps.test.ts'],
    mutants: [
      [
        'counts no timestamp against the limit',
        'limiter?.take(clientNetwork(clientAddress(request)))',
        'limiter?.take(String(Math.random()))',
      ],
    ],
  },
  {
    file: 'tsa/timestamp-authority.ts',
    tests: ['test/tsa/timestamp-authority.test.ts', 'test/service/open-timestamps.test.ts'],
    mutants: [
      [
        'grants timestamps after its certificate ended',
        'if (time > notAfter) return',
        'if (time > Infinity) return',
      ],
      [
        'grants timestamps that verifiers do not trust any more',
        'if (end !== undefined && time > end)',
        'if (end !== undefined && time < 0)',
      ],
    ],
  },
  {
    file: 'server/operator/readiness.ts',
    tests: ['test/server/operator/readiness.test.ts'],
    mutants: [
      [
        'is ready with a CA that has ended',
        'const ok = notBefore <= now && now < notAfter;',
        'const ok = notBefore <= now;',
      ],
      [
        'is ready while one of its parts fails',
        'checks.every((check) => check.ok)',
        'checks.some((check) => check.ok)',
      ],
    ],
  },
];
