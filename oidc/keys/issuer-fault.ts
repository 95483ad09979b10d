import { MayflyError } from '../../core/errors.ts';

/** Why an issuer's documents are missing: it does not answer, or its answer cannot be used. */
type IssuerFaultReason = 'UNREACHABLE' | 'UNUSABLE';

/** A fault on the issuer's side. For operators: it may name addresses. Clients get a {@link TokenError} instead. `metadata`
 * has `status` where a server answered with another status than 200. */
export class IssuerFault extends MayflyError<IssuerFaultReason> {}
