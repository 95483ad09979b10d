import { MayflyError } from '../../core/errors.ts';

/** What is wrong with an {@link IssuerDefinition}. */
type DefinitionReason =
  'ISSUER_TYPE_UNKNOWN' | 'ISSUER_DUPLICATE' | 'FIELD_MISSING' | 'FIELD_INVALID' | 'TEMPLATE_INVALID';

/**
 * An issuer's definition that cannot work. `metadata` has `issuer` and `field`; a template's fault has `line` and
 * `column` too, counted from 1 inside the template's text.
 */
export class DefinitionError extends MayflyError<DefinitionReason> {}
