/**
 * The rooms of the source tree: what each holds and what it may import. `scripts/check-layers.ts` holds the code to
 * this table, and `npm run docs` writes it into docs/architecture.md.
 */

/** One folder of the tree. A file belongs to the longest room that its path starts with. */
export interface Room {
  readonly holds: string;
  /** Rooms, or single files of rooms. Every room may import itself. */
  readonly mayImport: readonly string[];
  /** npm packages that it may import, as it is their owner. */
  readonly packages?: readonly string[];
  /** Whether it loads in a browser: nothing of Node's own, no npm package. */
  readonly browser?: true;
}

/** Room → what it is, from the ground up: a room imports only rooms that stand above it here. Tests, benchmarks and attacks may import anything. */
export const ROOMS: Readonly<Record<string, Room>> = {
  core: {
    holds:
      'bytes, DER, TLS structs, PEM, certificates (reading), public keys, errors, clock, limits, loopback hosts',
    mayImport: [],
    browser: true,
  },
  'core/go': {
    holds: "what Go's standard library makes of URLs, paths, quotes, numbers and JSON, to the byte",
    mayImport: ['core'],
  },
  'tlog/format': {
    holds:
      'byte formats of any tile log: Merkle tree, tile, checkpoint, signed note, verifier key, proof file',
    mayImport: ['core'],
    browser: true,
  },
  'ct-log/format': {
    holds: 'byte formats of the certificate log: leaf, SCT, tree head, log list',
    mayImport: ['core', 'tlog/format'],
    browser: true,
  },
  'trust/format': {
    holds: "Sigstore's documents about trust, in the JSON form of Protobuf: trusted root, signing config",
    mayImport: ['core'],
    browser: true,
  },
  'tsa/format': {
    holds: 'timestamp tokens (RFC 3161, CMS) as they are read',
    mayImport: ['core'],
    browser: true,
  },
  'bundle/format': {
    holds:
      'Sigstore bundles, DSSE envelopes and in-toto statements, in the JSON form of Protobuf: read strictly, and written',
    mayImport: ['core', 'trust/format/message-reader.ts'],
    browser: true,
  },
  'rekor/format': {
    holds:
      "entries of logs of Rekor's kind, both APIs: canonical bodies, signed entry timestamps, ids of keys",
    mayImport: ['core'],
    browser: true,
  },
  verify: {
    holds: 'the offline verifier',
    mayImport: [
      ...[
        'core',
        'tlog/format',
        'ct-log/format',
        'trust/format',
        'tsa/format',
        'bundle/format',
        'rekor/format',
      ],
    ],
    browser: true,
  },
  storage: {
    holds:
      'what every store shares: directories and files that are there whole, worker threads, SQLite, group commit, connections to PostgreSQL, buckets of object storage',
    mayImport: ['core'],
    packages: ['@aws-sdk/client-s3', 'pg'],
  },
  signers: {
    holds:
      'the one interface to a private key, key files, and what is the same for all keys outside the process',
    mayImport: ['core', 'storage'],
    packages: ['node-forge'],
  },
  'tlog/core': {
    holds:
      'what all of a tile log shares: its errors, its identity, reading its files, SHA-256, the proof that an entry is logged',
    mayImport: ['core', 'storage'],
  },
  'tlog/store': {
    holds: 'the two stores: the small trusted commit store, the big untrusted tile store',
    mayImport: ['core', 'storage', 'tlog/core'],
  },
  'tlog/tree': {
    holds: 'the tree over the stores: edge, tiles, verified heads',
    mayImport: ['core', 'tlog/core', 'tlog/format', 'tlog/store'],
  },
  'tlog/sequence': {
    holds: 'from waiting entries to a signed head: batches, the clock of heads, signatures',
    mayImport: ['core', 'storage', 'tlog/core', 'tlog/format', 'tlog/store', 'tlog/tree'],
  },
  'tlog/index': {
    holds: 'a hash of an entry, such as its leaf hash → index of the entry',
    mayImport: ['core', 'storage', 'tlog/core', 'tlog/format'],
  },
  tlog: {
    holds: 'a tile log of opaque entries: opening, recovery, freezing, the interface to a kind of log',
    mayImport: [
      'core',
      'storage',
      'tlog/core',
      'tlog/format',
      'tlog/store',
      'tlog/tree',
      'tlog/sequence',
      'tlog/index',
    ],
  },
  witness: {
    holds: 'a witness of the logs of others: what it remembers, what it cosigns, and its listener',
    mayImport: ['core', 'storage', 'signers', 'tlog/core', 'tlog/format', 'tlog/tree'],
  },
  'ct-log': {
    holds: 'the certificate log, a kind of tile log: entries, SCTs, both read sides, check, proof and export',
    mayImport: [
      'core',
      'signers',
      'tlog',
      'tlog/core',
      'tlog/format',
      'tlog/store',
      'tlog/tree',
      'tlog/sequence',
      'tlog/index',
      'ct-log/format',
    ],
  },
  'ct-log/outside': {
    holds: 'the client of a certificate log of somebody else, which verifies what that promises',
    mayImport: ['core', 'tlog/core', 'ct-log/format'],
  },
  'ct-log/submission': {
    holds: 'what other CAs hand in to the certificate log: their chains, and what is there already',
    mayImport: [
      ...['core', 'tlog', 'tlog/core', 'tlog/format', 'tlog/index', 'ct-log', 'ct-log/format'],
      'verify/standard-extensions.ts',
    ],
  },
  'oidc/core': {
    holds: 'what all of oidc shares: claims, definitions of issuers, principals, algorithms, errors',
    mayImport: ['core'],
  },
  'oidc/keys': {
    holds:
      "how an issuer's keys are fetched, kept fresh and used; the judge of RSA moduli, those of clients too",
    mayImport: ['core', 'storage', 'oidc/core'],
    packages: ['jose', 'undici', 'lru-cache'],
  },
  'oidc/template': { holds: "the part of Go's text/template that claims need", mayImport: ['oidc/core'] },
  'oidc/types': {
    holds: 'one file for each issuer type, from verified token to principal',
    mayImport: ['core', 'core/go', 'oidc/core', 'oidc', 'oidc/template'],
  },
  oidc: {
    holds: 'token → principal: claims, verification, the choice of issuer and issuer block',
    mayImport: ['core', 'oidc/core', 'oidc/keys', 'oidc/types'],
    packages: ['lru-cache'],
  },
  ca: {
    holds: 'key and proof of possession of a request, certificate profile, authority, ceremonies',
    mayImport: [
      'core',
      'core/go',
      'signers',
      'ct-log/format',
      'ct-log/outside/outside-sct.ts',
      'tlog/core/committed.ts',
      'oidc/core',
      'oidc',
      'oidc/keys/modulus-judge.ts',
    ],
    packages: ['@peculiar/x509', 'reflect-metadata'],
  },
  tsa: {
    holds: 'the timestamp authority: requests, tokens, the time and when there is none',
    mayImport: [
      'core',
      'signers',
      'ca/authority-error.ts',
      'ca/serial.ts',
      'ca/timestamp-chain.ts',
      'tsa/format',
    ],
  },
  'rekor/entries': {
    holds: 'from a request to an artifact log to a verified entry, or a typed refusal',
    mayImport: ['core', 'core/go', 'storage', 'bundle/format/envelope.ts', 'rekor/format'],
    packages: ['@noble/curves'],
  },
  rekor: {
    holds:
      'logs of artifacts, two kinds of tile log: entries about signatures for clients of both APIs of Rekor, duplicates, proofs, making, opening and ending',
    mayImport: [
      ...['core', 'storage', 'signers', 'tlog', 'tlog/core', 'tlog/format', 'tlog/store', 'tlog/tree'],
      ...['tlog/sequence', 'rekor/format', 'rekor/entries/proposed-entry.ts'],
    ],
  },
  search: {
    holds:
      'what entries of any log are found by, whatever they are about: a derived index beside each log, and its thread',
    mayImport: [
      ...['core', 'storage', 'tlog', 'tlog/core', 'tlog/format', 'ct-log', 'ct-log/format', 'rekor/format'],
    ],
  },
  'policy/providers': {
    holds: 'the claims of the providers that there is a preset for, for warnings',
    mayImport: ['core', 'oidc/core'],
  },
  'policy/rules': {
    holds: 'conditions in CEL: parsing, checking, metering, evaluating, warnings',
    mayImport: ['core', 'oidc/core', 'ca', 'policy/providers'],
    packages: ['@bufbuild/cel', '@bufbuild/re2'],
  },
  'policy/core': {
    holds: 'the errors of policy',
    mayImport: ['core', 'policy/rules'],
  },
  'policy/replay': {
    holds: 'the memory of used tokens, with the thread that owns its file',
    mayImport: ['core', 'storage', 'oidc/core', 'oidc', 'policy/core'],
    packages: ['lru-cache'],
  },
  'policy/shared': {
    holds: 'rate limits and used tokens that several services share, in the database of their logs',
    mayImport: [
      ...['core', 'storage', 'tlog/core', 'policy/core', 'policy/replay'],
      ...['tlog/store/postgres-session.ts', 'tlog/store/postgres-claims.ts'],
    ],
  },
  policy: {
    holds:
      'who may: the decision over an identity, rate limits, one configuration compiled, and the one in force',
    mayImport: ['core', 'oidc/core', 'oidc', 'ca', 'policy/core', 'policy/rules', 'policy/replay'],
    packages: ['lru-cache'],
  },
  explain: {
    holds: 'what a configuration would do with a token, check by check: a tool over policy',
    mayImport: ['core', 'oidc/core', 'oidc', 'ca', 'policy', 'policy/rules'],
  },
  audit: {
    holds: 'one line for each decision, and where it goes',
    mayImport: ['core', 'storage', 'ca/decision.ts', 'tlog/store/shared-lines.ts'],
  },
  trust: {
    holds: 'what verifiers are given',
    mayImport: [
      ...['core', 'storage', 'tlog/core', 'tlog/format', 'rekor/log-identity.ts', 'rekor/staged-log.ts'],
      ...['ct-log', 'ct-log/format', 'trust/format'],
    ],
    packages: ['node-forge'],
  },
  'trust/tuf': {
    holds:
      'the TUF repository: its metadata, its files, and how a change of it is staged, signed and published',
    mayImport: [
      ...['core', 'storage', 'signers', 'tlog/core', 'trust/format', 'trust'],
      ...['tlog/store/shared-document.ts', 'tlog/store/store-places.ts'],
    ],
    packages: ['@tufjs/models'],
  },
  'trust/admission': {
    holds: 'what admission controllers of Kubernetes are given: trust and an example policy, as YAML',
    mayImport: ['core', 'trust/format', 'trust/union.ts'],
    packages: ['yaml'],
  },
  instance: {
    holds:
      'the data directory: its files, its marker, making and opening it, and how its CA, its log and its key for timestamps are followed',
    mayImport: [
      'core',
      'storage',
      'signers',
      'tlog',
      'tlog/core',
      'tlog/store/store-places.ts',
      'tlog/store/shared-document.ts',
      'rekor',
      'ct-log',
      'ca',
      'trust/format',
      'trust',
      'trust/tuf',
    ],
  },
  'config/findings': {
    holds: 'what is wrong with a file, or should be known of it, and where',
    mayImport: ['core'],
  },
  'config/yaml': {
    holds: 'YAML and JSON as text with positions',
    mayImport: ['config/findings'],
    packages: ['yaml'],
  },
  'config/schema': {
    holds: 'what may stand in a configuration: keys, kinds of values, defaults',
    mayImport: [
      ...['core', 'storage/postgres.ts', 'oidc/core', 'ca', 'tsa/format', 'audit'],
      ...['config/findings', 'config/yaml'],
    ],
    packages: ['zod'],
  },
  'config/settings': {
    holds: 'the section `mayfly`',
    mayImport: [
      ...['storage/postgres.ts', 'signers/key-reference.ts', 'audit', 'policy'],
      ...['config/findings', 'config/schema'],
    ],
  },
  'config/presets': {
    holds: 'issuer blocks ready for each provider, and the first file of an installation',
    mayImport: ['oidc/core', 'oidc/types', 'config/yaml', 'config/schema'],
    packages: ['zod'],
  },
  'config/issuers': {
    holds: 'issuer blocks: what they mean and what is wrong with them',
    mayImport: [
      ...['core', 'oidc/core', 'oidc', 'oidc/keys', 'oidc/types', 'oidc/template'],
      ...['policy', 'policy/providers', 'policy/rules'],
      ...['config/findings', 'config/yaml', 'config/schema', 'config/settings', 'config/presets'],
    ],
  },
  'config/load': {
    holds: 'a configuration file, read, checked and compiled; in a process of its own while the service runs',
    mayImport: [
      ...['core', 'storage', 'oidc/core', 'policy'],
      ...['config/findings', 'config/yaml', 'config/schema', 'config/settings', 'config/issuers'],
    ],
  },
  'config/edit': {
    holds: 'presets put into the text of a configuration',
    mayImport: ['config/findings', 'config/yaml', 'config/presets', 'config/load'],
  },
  'config/lists': {
    holds: 'the other files that operators write: deny lists, policy cases',
    mayImport: ['core', 'ca', 'explain', 'verify', 'config/findings', 'config/yaml', 'config/schema'],
    packages: ['zod'],
  },
  'config/reference': {
    holds: 'the schemas and the reference of the files, written from what the loader reads',
    mayImport: ['config/schema', 'config/lists'],
    packages: ['zod'],
  },
  'server/http': {
    holds: 'connections, bodies and answers of HTTP, with their limits',
    mayImport: ['core'],
    packages: ['proxy-addr', 'lru-cache'],
  },
  'server/reasons': {
    holds: 'fault → HTTP status, gRPC code, sentence, reason and hint',
    mayImport: [
      ...[
        'core',
        'signers/signer-error.ts',
        'tlog/core',
        'oidc/core',
        'ca',
        'tsa',
        'policy/core',
        'audit',
        'rekor/entries/entry-error.ts',
        'search/search-error.ts',
        'ct-log/submission/submission-error.ts',
      ],
      'server/http',
    ],
  },
  'server/operator': {
    holds: 'what the operator sees: metrics, readiness, the service log and notes about the log',
    mayImport: [
      ...['core', 'signers', 'tlog', 'ca/decision.ts', 'policy', 'policy/replay', 'audit', 'trust/tuf'],
      ...['server/http', 'server/reasons'],
    ],
    packages: ['prom-client', 'pino'],
  },
  'server/log': {
    holds: "the log's read side over HTTP, and its calls for other CAs",
    mayImport: [
      ...['core', 'tlog/core', 'ct-log', 'ct-log/format', 'ct-log/submission', 'policy/rate-limit.ts'],
      ...['audit', 'server/http', 'server/operator', 'server/reasons'],
    ],
    packages: ['express'],
  },
  'server/trust': {
    holds: 'what verifiers are given, over HTTP',
    mayImport: ['server/http', 'trust/tuf/repository-files.ts'],
  },
  'server/fulcio': {
    holds: "the signing calls of Fulcio's API",
    mayImport: [
      ...['core', 'tlog/core', 'oidc/keys', 'oidc/types', 'ca', 'policy', 'policy/replay', 'audit'],
      ...['server/http', 'server/operator', 'server/reasons'],
    ],
  },
  'server/http2': {
    holds: 'connections that speak HTTP/2, with their limits',
    mayImport: ['server/http'],
    packages: ['lru-cache'],
  },
  'server/grpc': {
    holds: "Fulcio's services over gRPC: adapters around the signing calls, and what only reports",
    mayImport: [
      ...['ca', 'server/http', 'server/http2', 'server/reasons', 'server/operator'],
      'server/fulcio',
    ],
    packages: ['@bufbuild/protobuf'],
  },
  'server/timestamp': {
    holds: 'timestamps over HTTP, as DER and in the JSON form of Sigstore',
    mayImport: ['core', 'tsa', 'policy/rate-limit.ts', 'server/http', 'server/operator', 'server/reasons'],
  },
  'server/rekor': {
    holds: 'logging an entry, whatever API it comes by: who may, how often, and what is kept of it',
    mayImport: [
      ...['core', 'storage', 'tlog/core', 'tlog/format', 'ct-log/format', 'ct-log/logged-tbs.ts'],
      ...['ct-log/reader.ts', 'policy/rate-limit.ts', 'audit'],
      ...['rekor', 'rekor/format', 'rekor/entries', 'server/http', 'server/operator', 'server/reasons'],
    ],
  },
  'server/rekor/v2': {
    holds: "Rekor's second API over HTTP: logging an entry, and the files of the log",
    mayImport: [
      ...['core', 'tlog/core', 'rekor', 'rekor/entries', 'server/http', 'server/log', 'server/reasons'],
      'server/rekor',
    ],
  },
  'server/rekor/v1': {
    holds: "Rekor's first API over HTTP: its paths, its answers and its refusals, to the byte",
    mayImport: [
      ...['core', 'core/go', 'tlog/core', 'tlog/format', 'policy/rate-limit.ts'],
      ...['rekor', 'rekor/entries', 'search'],
      ...['server/http', 'server/log', 'server/reasons', 'server/rekor'],
    ],
  },
  'server/search': {
    holds: 'searches over HTTP, of every log at once',
    mayImport: [
      'core',
      'tlog/core',
      'policy/rate-limit.ts',
      'search',
      'server/http',
      'server/log',
      'server/reasons',
    ],
  },
  server: {
    holds: 'the public listener: one table of all calls',
    mayImport: [
      ...['server/http', 'server/reasons', 'server/operator', 'server/fulcio', 'server/timestamp'],
      ...['server/log', 'server/trust'],
    ],
    packages: ['express'],
  },
  dev: {
    holds: 'the OpenID provider of `mayfly dev` and of the tests',
    mayImport: ['core', 'storage'],
    packages: ['oidc-provider', 'jose'],
  },
  service: {
    holds:
      'the composition root: opens everything in order, closes it in the other, follows the configuration',
    mayImport: [
      ...[
        'core',
        'storage',
        'signers',
        'tlog/core',
        'tlog/store/store-places.ts',
        'tlog/witness-settings.ts',
        'tlog/store/choose-stores.ts',
        'tlog/tree/tile-survey.ts',
        'tlog/format/tile.ts',
        'tlog/format/entry-format.ts',
        'tlog/log-status.ts',
        'tlog/published-tree.ts',
        'rekor',
        'rekor/entries/digest-signature.ts',
        'witness',
        'tlog/format/vkey.ts',
        'search',
        'ct-log',
        'ct-log/outside',
        'ct-log/submission',
        'ca',
        'tsa',
        'policy',
        'policy/core/policy-error.ts',
        'policy/replay',
        'policy/shared',
        'audit',
        'trust',
      ],
      ...['instance', 'config/findings', 'config/settings', 'config/load'],
      ...['server', 'server/http', 'server/http2', 'server/log', 'server/operator', 'server/fulcio'],
      ...['server/grpc', 'server/timestamp', 'server/rekor', 'server/rekor/v1', 'server/rekor/v2'],
      ...['server/search', 'trust/format', 'trust/tuf', 'server/trust'],
    ],
    packages: ['pino'],
  },
  'service/development': {
    holds: 'the service of `mayfly dev`: a directory and an OpenID provider of its own beside it',
    mayImport: [
      ...['core', 'storage', 'rekor/log-identity.ts', 'dev', 'instance', 'config/presets', 'config/load'],
      ...['server/http', 'service'],
    ],
  },
  cli: {
    holds: 'the commands, a folder for each family',
    mayImport: [
      ...['core', 'storage', 'signers', 'tlog/core', 'tlog/format', 'tlog/store', 'tlog/tree'],
      ...['tlog/derived-faults.ts', 'tlog/repair.ts'],
      ...['rekor', 'ct-log', 'ct-log/format', 'ct-log/submission/entry-identities.ts'],
      ...['oidc/keys/proxy-environment.ts', 'ca'],
      'policy/rules/regular-expression.ts',
      ...['policy/rules/predicate-rule.ts', 'policy/rules/rule-error.ts', 'policy'],
      ...['trust', 'trust/admission', 'trust/tuf', 'trust/format', 'tsa/format'],
      ...['bundle/format', 'rekor/format', 'rekor/entries/digest-signature.ts', 'verify'],
      ...['search', 'explain', 'instance', 'witness'],
      ...['config/findings', 'config/schema/addresses.ts', 'config/presets', 'config/load', 'config/edit'],
      ...['config/lists', 'config/reference', 'server/http', 'service', 'service/development', 'dev'],
    ],
    packages: ['commander', '@commander-js/extra-typings', 'openid-client', 'tuf-js'],
  },
  scripts: {
    holds: 'build, lint and documentation helpers',
    mayImport: [
      'config/presets',
      'config/reference',
      'server/operator',
      'test/differential/difference-table.ts',
    ],
    packages: ['esbuild-wasm', 'prettier', 'typescript'],
  },
};

/** Imports of a room that stands below in the table, with the reason: `room → room`. */
export const CIRCLES: Readonly<Record<string, string>> = {
  'oidc/types → oidc':
    'a principal is read from a verified token alone, which only oidc/verify-token.ts makes',
};

/** Exports that make a proof type: name → the only file that may import it. */
export const MAKERS: Readonly<Record<string, string>> = {
  makeCommitted: 'tlog/sequence/sequencer.ts',
  makeOutsideSct: 'ct-log/outside/outside-log.ts',
  receivedCommitted: 'service/workers/main-thread.ts',
  assumeVerified: 'explain/explain-claims.ts',
};
