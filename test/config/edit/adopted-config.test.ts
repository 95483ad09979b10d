import { expect } from 'chai';
import { adoptConfig } from '../../../config/edit/adopted-config.ts';
import { ConfigError } from '../../../config/findings/config-error.ts';
import { relativeFilesIn } from '../../../config/load/relative-files.ts';
import { failureAs } from '../../support/failure.ts';
import { PUBLIC_GOOD } from '../../support/public-good.ts';

const URL = 'https://ca.example.com';
const ISSUER =
  'oidc-issuers:\n  https://login.example.com: {issuer-url: https://login.example.com, client-id: a, type: email}\n';

describe('config/edit/adopted-config', () => {
  const adopt = (text: string, publicUrl?: string): ReturnType<typeof adoptConfig> =>
    adoptConfig(text, 'fulcio.yaml', { directory: '/etc/fulcio', publicUrl });
  const refusal = async (text: string, publicUrl?: string): Promise<string> => {
    const { message, hint } = await failureAs(ConfigError, () => adopt(text, publicUrl));
    return `${message}\n${hint ?? ''}`;
  };

  it("takes Fulcio's own configuration as it is, and says what it opens", () => {
    const { text, inspection, isUrlAdded } = adopt(PUBLIC_GOOD);
    expect([text, isUrlAdded]).to.deep.equal([PUBLIC_GOOD, false]);
    expect(inspection.findings.map(({ message }) => message).join('\n')).to.include('has no allow rule');
  });

  it('puts the public URL behind a file that has none, and changes nothing else', () => {
    for (const text of [PUBLIC_GOOD, ISSUER, ISSUER.trimEnd()]) {
      const adopted = adopt(text, URL);
      expect(adopted.text.startsWith(text)).to.equal(true);
      expect(adopted.text.slice(text.length)).to.match(
        /^\n+mayfly:\n {2}public-url: "https:\/\/ca\.example\.com"\n$/,
      );
      expect([adopted.isUrlAdded, adopted.inspection.mayfly.publicUrl]).to.deep.equal([true, URL]);
      expect(adopted.inspection.issuers).to.have.length(adopt(text).inspection.issuers.length);
    }
  });

  it('takes the public URL of a file, and refuses another one', async () => {
    const text = `${ISSUER}mayfly: {public-url: ${URL}/}\n`;
    for (const asked of [undefined, URL])
      expect([adopt(text, asked).text, adopt(text, asked).isUrlAdded]).to.deep.equal([text, false]);
    expect(await refusal(text, 'https://other.example.com')).to.match(
      /public-url: is https:\/\/ca\.example\.com, and not/,
    );
  });

  it('says where the public URL has no place behind a file, and changes nothing', async () => {
    const json = JSON.stringify({
      OIDCIssuers: {
        'https://login.example.com': { IssuerURL: 'https://login.example.com', ClientID: 'a', Type: 'email' },
      },
    });
    expect(adopt(json).text).to.equal(json);
    for (const text of [json, `${ISSUER}mayfly: {log-level: info}\n`])
      expect(await refusal(text, URL)).to.match(/cannot be put behind it[^]*Write it into the file/);
  });

  it('refuses what cannot be used, with all that is wrong', async () => {
    expect(await refusal(`${ISSUER.replace('email', 'mail')}ci-issuer-metadata: 7\n`)).to.match(/2 problems/);
  });

  it('refuses files that would not be found from the data directory, each by its name', async () => {
    const block = (settings: string): string =>
      ISSUER.replace('type: email', `type: email, mayfly: {${settings}}`);
    const said = await refusal(
      `${block('jwks-file: keys/jwks.json')}mayfly: {audit: {file: {path: ../audit.log}}}\n`,
    );
    expect(said).to.include('"keys/jwks.json"').and.to.include('"../audit.log"');
    expect(relativeFilesIn(block('ca-cert-file: ca.pem'), 'f')).to.deep.equal(['ca.pem']);
    expect(
      relativeFilesIn(
        `${block('jwks-file: /etc/jwks.json')}mayfly: {audit: {file: {path: /var/log/audit.log}}}\n`,
        'f',
      ),
    ).to.deep.equal([]);
    expect(relativeFilesIn(PUBLIC_GOOD, 'f')).to.deep.equal([]);
  });
});
