import { expect } from 'chai';
import { Registry } from 'prom-client';
import { DecisionMetrics } from '../../../server/operator/decision-metrics.ts';

describe('server: decisions by issuer block, for Prometheus', () => {
  it('counts certificates and refusals by issuer block, and by none before one is known', async () => {
    const registry = new Registry();
    const metrics = new DecisionMetrics([registry]);
    metrics.issued({ issuerBlock: 'ci' });
    metrics.issued({ issuerBlock: 'ci' });
    metrics.issued({ issuerBlock: 'people' });
    metrics.refused({ issuerBlock: 'ci' }, 'RULE_DENIED');
    metrics.refused({}, 'TOKEN_MISSING');
    const text = await registry.metrics();
    for (const line of [
      'mayfly_certificates_total{entry="ci"} 2',
      'mayfly_certificates_total{entry="people"} 1',
      'mayfly_refusals_total{entry="ci",reason="RULE_DENIED"} 1',
      'mayfly_refusals_total{entry="none",reason="TOKEN_MISSING"} 1',
    ])
      expect(text).to.contain(line);
  });

  it('makes no more than 200 names of issuer blocks, however many configurations follow each other', async () => {
    const registry = new Registry();
    const metrics = new DecisionMetrics([registry]);
    for (let i = 0; i < 1_000; i++) {
      metrics.issued({ issuerBlock: `block ${i}` });
      metrics.refused({ issuerBlock: `block ${i}` }, 'RULE_DENIED');
    }
    const text = await registry.metrics();
    expect(text).to.contain('mayfly_certificates_total{entry="other"} 800');
    expect(text.match(/^mayfly_certificates_total\{/gm)).to.have.length(201);
    expect(text.match(/^mayfly_refusals_total\{/gm)).to.have.length(201);
  });
});
