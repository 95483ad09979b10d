import { isDeepStrictEqual } from 'node:util';
import type { MayflyConfig } from '../../config/settings/mayfly-config.ts';
import { settingName } from '../../policy/changes.ts';

/** Settings that are compiled into the issuer blocks, and so follow a reload. */
const FOLLOWED: readonly string[] = ['clientSigningAlgorithms', 'requireRules', 'rateLimits'];

/** Names of the settings that another configuration changes and a running service cannot. */
export function restartSettings(running: MayflyConfig, loaded: MayflyConfig): string[] {
  const names = new Set([...Object.keys(running), ...Object.keys(loaded)]) as Set<keyof MayflyConfig>;
  return [...names]
    .filter((name) => !FOLLOWED.includes(name) && !isDeepStrictEqual(running[name], loaded[name]))
    .map(settingName);
}
