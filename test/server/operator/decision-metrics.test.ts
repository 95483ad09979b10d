import { expect } from 'chai';
import { Registry } from 'prom-client';
import { decisionMetrics } from '../../../server/operator/decision-metrics.ts';

describe('server: decisions by entry, for Prometheus', () => {
  it('counts certificates and refusals by the entry of the configuration, and by none before one is known', async () => {
    const registry = new Registry();
    const { issued, refused } = decisionMetrics([registry]);
    issued('ci');
    issued('ci');
    issued('people');
    refused('RULE_DENIED', 'ci');
    refused('TOKEN_MISSING', undefined);
    const text = await registry.metrics();
    for (const line of [
      'mayfly_certificates_total{entry="ci"} 2',
      'mayfly_certificates_total{entry="people"} 1',
      'mayfly_refusals_total{entry="ci",reason="RULE_DENIED"} 1',
      'mayfly_refusals_total{entry="none",reason="TOKEN_MISSING"} 1',
    ])
      expect(text).to.contain(line);
  });

  it('makes no more than 200 names of entries, however many configurations follow each other', async () => {
    const registry = new Registry();
    const { issued, refused } = decisionMetrics([registry]);
    for (let i = 0; i < 1_000; i++) {
      issued(`entry ${i}`);
      refused('RULE_DENIED', `entry ${i}`);
    }
    const text = await registry.metrics();
    expect(text).to.contain('mayfly_certificates_total{entry="other"} 800');
    expect(text.match(/^mayfly_certificates_total\{/gm)).to.have.length(201);
    expect(text.match(/^mayfly_refusals_total\{/gm)).to.have.length(201);
  });
});
