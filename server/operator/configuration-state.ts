/** How the last try to load the configuration ended, and when the one in force was loaded. */
export interface ConfigurationState {
  /** Milliseconds since the epoch. */
  readonly loadedAt: number;
  /** Why the last try failed, for the operator; undefined when it did not. */
  readonly failure?: string | undefined;
  /** Settings that differ from those that the service was started with and wait for a restart; undefined when there are
   * none. */
  readonly restart?: readonly string[] | undefined;
  /** Tries since the start, by how they ended. */
  readonly reloads: { readonly success: number; readonly failure: number };
}
