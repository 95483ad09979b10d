import type { IssuerPolicyDefinition } from '../../policy/issuer-policy-definition.ts';
import { rulesOf } from './issuer-rules.ts';
import type { MayflyIssuerValues } from '../schema/issuer-schema.ts';
import type { MayflyConfig } from '../settings/mayfly-config.ts';
import { rateLimitsOf } from '../settings/rate-limits.ts';
import type { Path, Report } from '../findings/report.ts';

/** What the block `mayfly` of an issuer block decides; `path` is the block's. Reports what cannot be. */
export function issuerPolicyOf(
  block: MayflyIssuerValues,
  path: Path,
  mayfly: MayflyConfig,
  report: Report,
): IssuerPolicyDefinition {
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

function checkAlgorithms(block: MayflyIssuerValues, path: Path, mayfly: MayflyConfig, report: Report): void {
  block['key-algorithms']?.forEach((name, index) => {
    if (mayfly.clientSigningAlgorithms.includes(name)) return;
    report.problem(
      [...path, 'key-algorithms', index],
      `${name} is not permitted by mayfly.client-signing-algorithms`,
      'An issuer block can only narrow what the service permits: add it there, or take it out here.',
    );
  });
}
