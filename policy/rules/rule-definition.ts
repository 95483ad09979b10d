/** A condition in CEL, as the configuration has it. */
export interface RuleDefinition {
  /** Unique in its issuer block. */
  readonly name: string;
  readonly effect: 'allow' | 'deny';
  /** CEL over `claims`, `principal`, `issuer`, `key` and `now`; its value must be a bool. */
  readonly expression: string;
  /** What a person whom the rule refuses reads. */
  readonly message?: string | undefined;
}
