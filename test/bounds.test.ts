/**
 * The bounds that other tests take from the code, each with its value once more: a test that takes both sides from one
 * place would be content with any. Who changes one changes it here, too, and sees what it protects.
 */
import { expect } from 'chai';
import { MAX_LENGTH } from '../config/yaml/document.ts';
import { LONGEST_DOUBT } from '../core/steadied-clock.ts';
import { JUMP_TOLERANCE } from '../tlog/sequence/clock-guard.ts';
import { GROUP } from '../tlog/index/hash-group.ts';
import { MAX_ENTRIES, MAX_ENTRIES_BYTES } from '../ct-log/read-entries.ts';
import { MAX_PATTERN_LENGTH } from '../oidc/issuer-pattern.ts';
import { MAX_AGE, RETRY_INTERVAL, STALE_AGE } from '../oidc/keys/issuer-keys.ts';
import { MAX_KEYS as MAX_KEYS_OF_ISSUER } from '../oidc/keys/key-set.ts';
import { NEW_ISSUERS_BURST, NEW_ISSUERS_PER_SECOND } from '../oidc/keys/unknown-issuer-keys.ts';
import {
  MAX_WAITING,
  MAX_WAITING_FOR_UNKNOWN_ISSUERS,
  MAX_WAITING_IN_ALL,
  RESERVED_PER_ISSUER,
} from '../oidc/keys/wait-limit.ts';
import { MAX_CANDIDATES } from '../oidc/meta-issuers.ts';
import { MAX_RESULT_LENGTH } from '../oidc/template/evaluator.ts';
import { MAX_TEMPLATE_LENGTH } from '../oidc/template/lexer.ts';
import { MAX_TOKEN_LENGTH } from '../oidc/token.ts';
import { MAX_BUCKETS } from '../policy/rate-limit.ts';
import { MAX_RECENT } from '../policy/replay/recent-tokens.ts';
import { KEPT_LONGER, MAX_KEYS } from '../policy/replay/replay-database.ts';
import { RESTART_INTERVAL } from '../policy/replay/replay-guard.ts';
import { SMALL_BODY } from '../server/http/body-memory.ts';
import { MAX_UNANSWERED } from '../server/http/connection-account.ts';
import { MAX_VALUES } from '../core/json-bounds.ts';
import { MAX_HEADERS } from '../server/http/parser-limits.ts';
import { BODY_LIMIT } from '../server/http/request-body.ts';
import { MAX_BODY, MAX_NAMED_DIGESTS } from '../rekor/entries/proposed-entry.ts';
import { MAX_CHECKS } from '../rekor/entries/signature-checks.ts';
import { MAX_SIGNATURES } from '../rekor/entries/signed-envelope.ts';
import { MAX_V1_WAITING, V1_BODY_LIMIT } from '../server/rekor/v1/v1-endpoint.ts';
import { MAX_V2_WAITING, V2_BODY_LIMIT } from '../server/rekor/v2/v2-endpoint.ts';
import { MAX_TIMESTAMPS_WAITING } from '../server/timestamp/timestamp-endpoint.ts';
import { TIMESTAMP_JUMP_TOLERANCE } from '../tsa/timestamp-clock.ts';
import { NONCE_LIMIT, REQUEST_LIMIT } from '../tsa/timestamp-request.ts';

describe('Bounds', () => {
  it('have the values that were chosen for them', () => {
    expect({ MAX_LENGTH, MAX_PATTERN_LENGTH, MAX_CANDIDATES }).to.deep.equal({
      MAX_LENGTH: 2_097_152,
      MAX_PATTERN_LENGTH: 1024,
      MAX_CANDIDATES: 256,
    });
    expect({ JUMP_TOLERANCE, LONGEST_DOUBT, GROUP, MAX_ENTRIES, MAX_ENTRIES_BYTES }).to.deep.equal({
      JUMP_TOLERANCE: 10_000,
      LONGEST_DOUBT: 600_000,
      GROUP: 65_536,
      MAX_ENTRIES: 1000,
      MAX_ENTRIES_BYTES: 8_388_608,
    });
    expect({ MAX_AGE, STALE_AGE, RETRY_INTERVAL, MAX_KEYS_OF_ISSUER }).to.deep.equal({
      MAX_AGE: 600_000,
      STALE_AGE: 3_600_000,
      RETRY_INTERVAL: 10_000,
      MAX_KEYS_OF_ISSUER: 100,
    });
    expect({ NEW_ISSUERS_BURST, NEW_ISSUERS_PER_SECOND }).to.deep.equal({
      NEW_ISSUERS_BURST: 100,
      NEW_ISSUERS_PER_SECOND: 10,
    });
    expect([
      MAX_WAITING,
      MAX_WAITING_IN_ALL,
      MAX_WAITING_FOR_UNKNOWN_ISSUERS,
      RESERVED_PER_ISSUER,
    ]).to.deep.equal([...[128, 256, 64, 8]]);
    expect({ MAX_TOKEN_LENGTH, MAX_TEMPLATE_LENGTH, MAX_RESULT_LENGTH }).to.deep.equal({
      MAX_TOKEN_LENGTH: 32_768,
      MAX_TEMPLATE_LENGTH: 16_384,
      MAX_RESULT_LENGTH: 32_768,
    });
    expect({ MAX_BUCKETS, MAX_RECENT, MAX_KEYS, KEPT_LONGER, RESTART_INTERVAL }).to.deep.equal({
      MAX_BUCKETS: 20_000,
      MAX_RECENT: 20_000,
      MAX_KEYS: 10_000_000,
      KEPT_LONGER: 3_600_000,
      RESTART_INTERVAL: 5_000,
    });
    expect({ BODY_LIMIT, SMALL_BODY, MAX_VALUES, MAX_HEADERS, MAX_UNANSWERED }).to.deep.equal({
      BODY_LIMIT: 262_144,
      SMALL_BODY: 16_384,
      MAX_VALUES: 10_000,
      MAX_HEADERS: 192,
      MAX_UNANSWERED: 8,
    });
    expect({ MAX_BODY, MAX_CHECKS, MAX_NAMED_DIGESTS, MAX_SIGNATURES }).to.deep.equal({
      MAX_BODY: 65_535,
      MAX_NAMED_DIGESTS: 400,
      MAX_SIGNATURES: 8,
      MAX_CHECKS: 16,
    });
    expect([V1_BODY_LIMIT, V2_BODY_LIMIT, MAX_V1_WAITING, MAX_V2_WAITING]).to.deep.equal([
      ...[16_777_216, 1_048_576, 512, 512],
    ]);
    expect([REQUEST_LIMIT, NONCE_LIMIT, MAX_TIMESTAMPS_WAITING, TIMESTAMP_JUMP_TOLERANCE]).to.deep.equal([
      ...[4096, 64, 512, 2_000],
    ]);
  });
});
