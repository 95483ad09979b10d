/** The rows of the table of clients, each with the tests that are its proof. */

/** What is tried with a client. */
export interface InteropRow {
  readonly client: string;
  readonly operation: string;
  /** Below `test/`. */
  readonly file: string;
  /** Of that file, the tests whose whole title fits; all of them without it. */
  readonly title?: RegExp;
}

const judges = (file: string): string => `judges/${file}.long.test.ts`;

/** In the order of the table. */
export const ROWS: readonly InteropRow[] = [
  { client: 'curl', operation: 'API v2, public key', file: judges('curl'), title: /for a public key/ },
  {
    client: 'curl',
    operation: 'API v2, token in the body',
    file: judges('curl'),
    title: /token in the body/,
  },
  { client: 'curl', operation: 'API v2, signing request', file: judges('curl'), title: /signing request/ },
  { client: 'curl', operation: 'API v1, key in PEM and DER', file: judges('curl'), title: /first version/ },
  { client: 'openssl', operation: 'chain, SCT, profile', file: judges('openssl') },
  { client: 'openssl', operation: 'timestamps', file: judges('openssl-timestamps') },
  { client: 'sigstore-js', operation: 'sign, verify by file, refuse', file: judges('sigstore-js') },
  {
    client: 'sigstore-js, with a stock Rekor v2',
    operation: 'sign by the signing configuration, verify with default thresholds',
    file: judges('beside-rekor'),
    title: /sigstore-js signs/,
  },
  {
    client: 'sigstore-js',
    operation: 'with the log for Rekor v1: sign, attest, verify with default thresholds',
    file: judges('artifact-log-v1'),
    title: /sigstore-js signs/,
  },
  {
    client: 'sigstore-js',
    operation: 'with the log for Rekor v2: sign, attest, verify',
    file: judges('artifact-log'),
    title: /sigstore-js signs/,
  },
  {
    client: 'sigstore-js',
    operation: 'verify through TUF, with and without a log',
    file: judges('tuf-clients'),
    title: / sigstore-js$/,
  },
  {
    client: '@sigstore/cli',
    operation: 'initialize, attest, verify with and without a log',
    file: judges('tuf-clients'),
    title: /@sigstore\/cli/,
  },
  {
    client: '@sigstore/cli',
    operation: 'log in with the browser, attest',
    file: judges('logins'),
    title: /@sigstore\/cli opens/,
  },
  {
    client: 'npm (sigstore, libnpmpublish)',
    operation: 'with the log for Rekor v1: sign, verify, publish with provenance, by options of its library',
    file: judges('tuf-clients'),
    title: /npm's own library/,
  },
  {
    client: 'sigstore-js, @sigstore/cli',
    operation: 'what is read of a refusal',
    file: judges('refusal-words'),
    title: /refusal (sigstore-js|@sigstore\/cli) says/,
  },
  {
    client: 'cosign 3.1.2',
    operation: 'sign-blob and verify-blob by the documented lines',
    file: judges('cosign'),
  },
  {
    client: 'cosign 3.1.2',
    operation: 'verify-blob after the certificate has ended',
    file: judges('stock-signers'),
    title: / cosign$/,
  },
  {
    client: 'cosign 3.1.2, with a stock Rekor v2',
    operation: 'sign-blob, attest-blob and verification by default flags',
    file: judges('beside-rekor'),
    title: /cosign signs/,
  },
  {
    client: 'cosign 3.1.2',
    operation: 'with the log for Rekor v1: sign, attest, verify by default flags',
    file: judges('artifact-log-v1'),
    title: /cosign 3\.1\.2 signs/,
  },
  {
    client: 'cosign 3.1.2',
    operation: 'with the log for Rekor v2: sign, attest, verify by default flags',
    file: judges('artifact-log'),
    title: /stock clients of Rekor v2 cosign /,
  },
  {
    client: 'cosign 3.1.2',
    operation: 'attest-blob',
    file: judges('cosign-statements'),
    title: /cosign attests/,
  },
  {
    client: 'cosign 3.1.2',
    operation: 'initialize, then no file and no flag: files, and an image',
    file: judges('tuf-clients'),
    title: / cosign, /,
  },
  ...(['v1', 'v2'] as const).flatMap((api) => [
    {
      client: 'cosign 3.1.2',
      operation: `with the log for Rekor ${api}: images by a login, after initialize and with no flag`,
      file: judges('logged-images'),
      title: new RegExp(`Rekor ${api} cosign 3.* by a login`),
    },
    {
      client: 'cosign 3.1.2',
      operation: `with the log for Rekor ${api}: images and files by a key`,
      file: judges('logged-images'),
      title: new RegExp(`Rekor ${api} cosign 3.* by a key`),
    },
    {
      client: 'cosign 2.6.3',
      operation: `with the log for Rekor ${api}: images by a login; images and files by a key`,
      file: judges('logged-images'),
      title: new RegExp(`Rekor ${api} cosign 2`),
    },
    {
      client: 'sigstore-python 4.5.1',
      operation: `with the log for Rekor ${api}: trust-instance, then no file`,
      file: judges('logged-images'),
      title: new RegExp(`Rekor ${api} sigstore-python`),
    },
  ]),
  {
    client: 'cosign 3.1.2',
    operation: 'sign and verify images',
    file: judges('stock-signers'),
    title: /images cosign signs one, and refuses an unsigned/,
  },
  {
    client: 'cosign 3.1.2',
    operation: 'sign and verify images with a key and a timestamp',
    file: judges('stock-signers'),
    title: /images cosign signs one with a key/,
  },
  {
    client: 'cosign 3.1.2',
    operation: 'log in by a code, without a terminal',
    file: judges('logins'),
    title: /cosign shows a code/,
  },
  {
    client: 'cosign 3.1.2',
    operation: 'a token that is signed with ES256, from a file',
    file: judges('logins'),
    title: /ES256/,
  },
  {
    client: 'cosign 3.1.2',
    operation: 'what is read of a refusal',
    file: judges('refusal-words'),
    title: /refusal cosign prints/,
  },
  {
    client: 'cosign 2.6.3',
    operation: 'API v1, classic outputs',
    file: judges('cosign-v1'),
    title: /2\.6\.3/,
  },
  {
    client: 'cosign 3.0.6',
    operation: 'API v1, classic outputs',
    file: judges('cosign-v1'),
    title: /3\.0\.6/,
  },
  {
    client: 'cosign 2.6.3',
    operation: 'verify a new bundle',
    file: judges('stock-signers'),
    title: /cosign 2\.6 verifies/,
  },
  {
    client: 'cosign 2.6.3',
    operation: 'with the log for Rekor v1: sign, attest, verify by asking the log',
    file: judges('artifact-log-v1'),
    title: /cosign 2\.6\.3 signs/,
  },
  {
    client: 'sigstore-python 4.5.1',
    operation: 'certificate, SCT, timestamp, and their verification',
    file: judges('sigstore-python'),
  },
  {
    client: 'sigstore-python 4.5.1, with a stock Rekor v2',
    operation: 'its own program: sign, attest, verify',
    file: judges('beside-rekor'),
    title: /sigstore-python signs/,
  },
  {
    client: 'sigstore-python 4.5.1',
    operation: 'with the log for Rekor v2: sign, verify',
    file: judges('artifact-log'),
    title: /sigstore-python signs/,
  },
  {
    client: 'sigstore-python 4.5.1',
    operation: 'trust-instance, then no file: sign, verify',
    file: judges('tuf-clients'),
    title: / sigstore-python, /,
  },
  {
    client: 'sigstore-python 4.5.1',
    operation: 'what is read of a refusal',
    file: judges('refusal-words'),
    title: /refusal sigstore-python prints/,
  },
  { client: 'pyca cryptography', operation: 'the chain, by its X.509 verifier alone', file: judges('pyca') },
  {
    client: 'sigstore-go 1.2.2',
    operation: 'sign, verify by timestamp and at the present',
    file: judges('stock-signers'),
    title: / sigstore-go$/,
  },
  {
    client: 'sigstore-java 2.0.0',
    operation: 'with the logs for Rekor v1 and v2: KeylessSigner over gRPC, KeylessVerifier',
    file: judges('sigstore-java'),
  },
  {
    client: 'sigstore-go 1.2.2',
    operation: 'with the log for Rekor v1: sign by the signing config, verify by the entry',
    file: judges('artifact-log-v1'),
    title: /sigstore-go signs/,
  },
  {
    client: 'sigstore-go 1.2.2',
    operation: 'with the log for Rekor v2: sign by the signing config, verify by the entry',
    file: judges('artifact-log'),
    title: /sigstore-go signs/,
  },
  {
    client: 'sigstore-rs 0.15.0',
    operation: 'certificates by both versions of the API',
    file: judges('sigstore-rs'),
  },
  {
    client: 'gitsign 0.17.1, with a stock Rekor v2',
    operation: 'sign a commit',
    file: judges('beside-rekor'),
    title: /gitsign signs/,
  },
  {
    client: 'gitsign 0.17.1',
    operation: 'with the log for Rekor v1: sign commits, verify online and offline',
    file: judges('artifact-log-v1'),
    title: /gitsign signs commits/,
  },
  {
    client: 'gitsign 0.17.1',
    operation: 'with the log for Rekor v2: sign a commit',
    file: judges('artifact-log'),
    title: /gitsign signs a commit/,
  },
  {
    client: 'rekor-cli 1.5.4',
    operation: 'with the log for Rekor v1: upload, find, read, prove, verify',
    file: judges('artifact-log-v1'),
    title: /rekor-cli/,
  },
  {
    client: 'mayfly',
    operation: 'sign, verified after the certificate has ended',
    file: judges('stock-signers'),
    title: / mayfly sign$/,
  },
  {
    client: 'mayfly',
    operation: 'attest, verified by cosign',
    file: judges('cosign-statements'),
    title: /mayfly attests/,
  },
  {
    client: 'mayfly, with a stock Rekor v2',
    operation: 'sign and attest; cosign and sigstore-python by default flags',
    file: judges('beside-rekor'),
    title: /mayfly signs/,
  },
  {
    client: 'mayfly',
    operation: 'refuse bundles with a wrong entry of a log, and name the step',
    file: 'verify/bundle/tampered-entries.test.ts',
  },
  ...['sigstore-js', 'sigstore-python', 'sigstore-go', 'cosign'].map((client) => ({
    client,
    operation: 'refuse the same, but for those of docs/compatibility.md',
    file: judges('tampered-entries'),
    title: new RegExp(` ${client}$`),
  })),
  {
    client: 'mayfly',
    operation: 'verify bundles whose entries are redacted, and prove these entries',
    file: judges('redacted-entries'),
    title: /mayfly/,
  },
  ...['cosign 2.6.3', 'cosign 3.1.2', 'rekor-cli'].map((client) => ({
    client,
    operation: 'refuse a redacted entry that it asks the log for',
    file: judges('redacted-entries'),
    title: new RegExp(` ${client} (?:without|reads)`),
  })),
  {
    client: 'mayfly',
    operation: 'the public conformance cases',
    file: 'verify/bundle/conformance.test.ts',
  },
  ...['cosign', 'sigstore-python'].map((client) => ({
    client: `sigstore-conformance, ${client}`,
    operation: 'its signing tests, with the files of this service, also for Rekor v2',
    file: judges('conformance-suite'),
    title: new RegExp(` ${client}$`),
  })),
  ...(['v1', 'v2'] as const).map((api) => ({
    client: 'rekor-monitor',
    operation: `the log for Rekor ${api}: consistency, entries of an identity`,
    file: judges('rekor-monitor'),
    title: new RegExp(`Rekor ${api} `),
  })),
  {
    client: 'tessera fsck 1.0.4',
    operation: 'the log for Rekor v2: every tile and bundle to the signed root',
    file: judges('artifact-log'),
    title: /tessera's fsck/,
  },
  {
    client: 'golang.org/x/mod/sumdb/note',
    operation: 'the checkpoints of both logs',
    file: judges('artifact-log'),
    title: /Go's own verifier of signed notes/,
  },
  { client: 'ctclient', operation: 'the log: heads, entries, proofs', file: judges('ctclient') },
];

/** Each signer by each verifier, `SIGNER, verified by VERIFIER`; and what every verifier must refuse. */
export const CROSS_FILE = judges('cross-verification');
export const REFUSALS_FILE = judges('refused');

/** What `--fast` leaves out: clients that are built, and files that start several services. */
const SLOW = /stock-signers|beside-rekor|artifact-log|logged-images|rekor-monitor|conformance-suite/;

/** Whether a row is one of the fast ones: sigstore-js, sigstore-python, openssl, curl and cosign 3.1.2, and the public cases. */
export const isFast = ({ client, file }: InteropRow): boolean =>
  /^(curl|openssl|sigstore-js|sigstore-python|cosign 3\.1\.2|mayfly)/.test(client) && !SLOW.test(file);

/** What no row has, and why. */
export const NOT_TRIED: readonly (readonly [client: string, operation: string, why: string])[] = [
  [
    'sigstore-rs',
    'signing and verifying bundles',
    'these parts of it are not built here; they know Rekor v1 alone, and refuse every audience but `sigstore`',
  ],
  [
    'sigstore-java',
    'its HTTP client',
    'version 2.1 and newer, which not every registry has; the default is gRPC',
  ],
  [
    'sigstore-java',
    'statements with the log for Rekor v1, and verified by itself',
    'version 2.0 attests by Rekor v2 alone, and does not know the entry again that Rekor makes of a statement today; version 2.2 is said to',
  ],
  [
    'npm',
    'the command `npm publish --provenance`',
    'it has no setting for another Fulcio; its library takes one',
  ],
  [
    'gitsign',
    'verifying a commit that is in the log for Rekor v2',
    'it takes the keys of logs for Rekor v1 alone',
  ],
  [
    'gitsign',
    'verifying a commit with a timestamp that was signed with `GITSIGN_REKOR_MODE=offline`',
    'it takes the timestamp in its own signature for the answer of an authority, and fails',
  ],
  ['@sigstore/cli, npm, rekor-cli', 'the log for Rekor v2', 'they know the first API alone'],
];
