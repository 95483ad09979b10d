import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { signingServices } from '../../../cli/sign/signing-services.ts';
import { vectorPath } from '../../support/vectors.ts';

const CONFIG = vectorPath('trust-shapes/tsa/client_trust_config.json');
const NOW = Date.parse('2026-11-30T00:00:00Z');

describe('cli: where people log in to sign', () => {
  it('is known by a file of theirs, or by the service alone', async () => {
    const issuer = 'http://127.0.0.1:7701';
    const { usualIssuer } = await signingServices({ trustConfig: CONFIG }, NOW);
    expect(usualIssuer).to.deep.equal({ url: issuer, namedBy: 'person' });

    const server = createServer((_, response) => response.end(readFileSync(CONFIG))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const offered = await signingServices({ url }, NOW);
      expect(offered.usualIssuer).to.deep.equal({ url: issuer, namedBy: 'service' });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
