import type { SearchReason } from '../../search/search-error.ts';
import type { ReasonRow, ReasonRows } from './reason-row.ts';

/** No signing request gets one of these. */
const row = (wire: Omit<ReasonRow, 'neverAnswered'>, status: string): ReasonRow => ({
  ...wire,
  neverAnswered: `It answers searches: ${status}.`,
});

/** Searches of the logs. */
export const SEARCH_REASONS: ReasonRows<SearchReason> = {
  SEARCH_MALFORMED: row(
    {
      grpc: 3,
      meaning: 'The query has a parameter that there is not, one too many, or a value of the wrong form.',
      cause: 'A misspelled name, a digest that is none, or a cursor of another query.',
      remedy: 'The sentence names the parameter; http-api.md lists them all.',
    },
    '400',
  ),
  SEARCH_NOT_READY: row(
    {
      grpc: 14,
      retryAfter: 2,
      meaning: 'Not all that is logged is indexed yet, so that the answer would not be all.',
      cause:
        'The index is being made, after an update or because it was deleted; or the service is very busy; or the index cannot be written, and then the details of `/readyz` say why.',
      remedy: 'Try again in some seconds; `mayfly log search --data` reads the log itself meanwhile.',
    },
    '503, with `Retry-After`',
  ),
  SEARCH_RATE_LIMITED: row(
    {
      grpc: 8,
      retryAfter: 1,
      meaning: 'The client’s address searches and reads the logs more than one may.',
      cause: 'A client that searches in a circle or reads all of a log, or many behind one address.',
      remedy:
        'Try again after `Retry-After` seconds; the operator raises `artifact-log.read-rate-limit`, or names a proxy in `trusted-proxies`.',
    },
    '429, with `Retry-After`',
  ),
};
