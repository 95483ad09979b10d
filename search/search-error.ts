import { MayflyError } from '../core/errors.ts';

/** Codes of {@link SearchError}: it asks for nothing that there is, or asks wrongly; it would find what is not indexed yet, and passes by itself; its client reads more than one may. */
export type SearchReason = 'SEARCH_MALFORMED' | 'SEARCH_NOT_READY' | 'SEARCH_RATE_LIMITED';

/** Why a search is not answered. */
export class SearchError extends MayflyError<SearchReason> {}
