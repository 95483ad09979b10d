import type { EntryPolicyDefinition } from '../../policy/entry-policy.ts';
import { rulesOf } from './entry-rules.ts';
import type { EntryBlock } from '../schema/entry-schema.ts';
import type { MayflyConfig } from '../settings/mayfly-config.ts';
import { rateLimitsOf } from './rate-limits.ts';
import type { Path, Report } from '../findings/report.ts';

/** What the block `mayfly` of an entry decides; `path` is the block's. Reports what cannot be. */
export function entryPolicyOf(
  block: EntryBlock,
  path: Path,
  mayfly: MayflyConfig,
  report: Report,
): EntryPolicyDefinition {
  checkAlgorithms(block, path, mayfly, report);
  const limits = rateLimitsOf(block['rate-limit'], mayfly.rateLimits);
  return {
    rules: rulesOf(block.rules, [...path, 'rules'], report),
    requireRules: mayfly.requireRules,
    lifetimeSeconds: block.lifetime * 60,
    keyAlgorithms: block['key-algorithms'] && [...new Set(block['key-algorithms'])],
    csr: block.csr,
    issuerRateLimit: limits.issuer,
    principalRateLimit: limits.principal,
    replayGuard: block['replay-guard'],
  };
}

function checkAlgorithms(block: EntryBlock, path: Path, mayfly: MayflyConfig, report: Report): void {
  block['key-algorithms']?.forEach((name, index) => {
    if (mayfly.clientSigningAlgorithms.includes(name)) return;
    report.problem(
      [...path, 'key-algorithms', index],
      `${name} is not permitted by mayfly.client-signing-algorithms`,
      'An entry can only narrow what the service permits: add it there, or take it out here.',
    );
  });
}
