/** How the last try to load the configuration ended, and when the one in force was loaded. */
export interface ConfigurationState {
  /** Milliseconds since the epoch. */
  readonly loadedAt: number;
  /** Why the last try failed, for the operator; undefined when it did not. */
  readonly failure?: string | undefined;
  /** Tries since the start, by how they ended. */
  readonly reloads: { readonly success: number; readonly failure: number };
}
