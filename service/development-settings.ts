import type { ConfigFinding } from '../config/findings/findings.ts';
import { pathText } from '../config/findings/config-error.ts';
import type { LogAccessRule } from '../server/log/log-access.ts';

/** What differs in a service for development. */
export interface Development {
  /** URL of its own OpenID provider. */
  readonly issuer: string;
  /** The name under which other machines may come; without it none may. */
  readonly publicHost?: string | undefined;
  /** The configuration that trusts the provider. */
  readonly configuration: StagedConfiguration;
}

/** A configuration that is not in its place yet: another process may still use the directory, which only the holder of the
 * log's lock may change. */
export interface StagedConfiguration {
  /** Where it is now: beside `config.yaml`, or that file itself. */
  readonly file: string;
  /** Moves it to `config.yaml`; called once the log is locked. */
  commit(): Promise<void>;
}

/** Who may read the log. On a service that only this machine can reach, "public" means this machine. */
export const developmentAccess = (access: LogAccessRule, { publicHost }: Development): LogAccessRule =>
  access.kind === 'public' && publicHost === undefined ? { kind: 'loopback' } : access;

/** The findings that are worth a warning. That other services share the audience of the development issuer is not: no other
 * service trusts that issuer. */
export function newsOf(findings: readonly ConfigFinding[], { issuer }: Development): ConfigFinding[] {
  const audience = pathText(['oidc-issuers', issuer, 'client-id']);
  return findings.filter(({ code, path }) => code !== 'SHARED_AUDIENCE' || path !== audience);
}
