import { expect } from 'chai';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import {
  bodyV2,
  clientKey,
  emailToken,
  post,
  fulcioWords,
  refusalOf,
  startTestService,
  type TestService,
} from '../support/test-service.ts';

describe('server: the calls beside signing', () => {
  let service: TestService;
  before(async () => {
    service = await startTestService();
  });
  after(() => service.close());

  it('shows the trust bundle as one chain of PEMs that end with a newline', async () => {
    const response = await fetch(`${service.url}/api/v2/trustBundle`);
    expect(response.status).to.equal(200);
    expect(response.headers.get('content-type')).to.equal('application/json');
    expect(await response.json()).to.deep.equal({ chains: [{ certificates: service.authority.chainPems }] });
    expect(service.authority.chainPems.every((pem) => pem.endsWith('-----END CERTIFICATE-----\n'))).to.equal(
      true,
    );
  });

  it('serves a target in absolute form like its path, by the host that it names', async () => {
    const ask = async (path: string, method: string, body?: string): Promise<number | undefined> => {
      const { port, hostname } = new URL(service.url);
      const request = httpRequest({ port, hostname, path, method }).end(body);
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.resume();
      return response.statusCode;
    };
    const body = JSON.stringify(bodyV2(await emailToken(service), clientKey()));
    expect(await ask('http://x/api/v2/signingCert', 'POST', body)).to.equal(200);
    expect(await ask('HTTPS://x:1/api/v2/signingCert?a=b', 'POST', body)).to.equal(200);
    expect(await ask('http://x/api/v2/trustBundle', 'GET')).to.equal(200);
    expect(await ask('http://x', 'GET')).to.equal(404);
    const local = await startTestService(() => ({ acceptHost: (host) => host === 'mine' }));
    const { port, hostname, host } = new URL(local.url);
    for (const [name, status] of [
      ['mine', 200],
      ['foreign', 403],
    ] as const) {
      const headers = { host: name === 'mine' ? host : 'mine' };
      const request = httpRequest({
        port,
        hostname,
        headers,
        path: `http://${name}/api/v2/trustBundle`,
      }).end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.resume();
      expect(response.statusCode, name).to.equal(status);
    }
    await local.close();
  });

  it('shows the root certificates of v1 with a blank line between and nothing at the end', async () => {
    const response = await fetch(`${service.url}/api/v1/rootCert`);
    expect(response.status).to.equal(200);
    expect(response.headers.get('content-type')).to.equal('application/pem-certificate-chain');
    expect(await response.text()).to.equal(service.authority.chainPems.join('\n').trimEnd());
  });

  it('shows the configuration with empty fields too', async () => {
    const answer = await (await fetch(`${service.url}/api/v2/configuration`)).text();
    expect(answer).to.equal(
      `{"issuers":[{"issuerUrl":"${service.issuer.url}","audience":"sigstore","challengeClaim":"email",` +
        '"spiffeTrustDomain":"","issuerType":"email","subjectDomain":"","skipEmailVerification":false}]}',
    );
  });

  it('says that it serves, and that it is ready', async () => {
    const health = await fetch(`${service.url}/healthz`);
    expect([health.status, await health.text()]).to.deep.equal([200, '{"status":"SERVING"}']);
    const ready = await fetch(`${service.url}/readyz`);
    expect([ready.status, await ready.text()]).to.deep.equal([200, '{"status":"READY"}']);
    const detail = await fetch(`${service.metricsUrl}/readyz`);
    const { ready: isReady, checks } = (await detail.json()) as {
      ready: boolean;
      checks: { name: string }[];
    };
    expect(isReady).to.equal(true);
    expect(checks.map(({ name }) => name)).to.deep.equal([
      'open',
      'authority',
      'signer',
      'log',
      'clock',
      'head',
      'files',
      'anchor',
    ]);
  });

  it('is not ready when the head is ahead of the clock, and says only to the operator why', async () => {
    service.skew = -60_000;
    const ready = await fetch(`${service.url}/readyz`);
    const detail = await (await fetch(`${service.metricsUrl}/readyz`)).text();
    service.skew = 0;
    expect([ready.status, await ready.text()]).to.deep.equal([503, '{"status":"NOT_READY"}']);
    expect(detail).to.contain('ahead of the clock');
  });

  it('answers what is not there as Fulcio does: 404 with code 5', async () => {
    for (const path of [
      '/',
      '/api',
      '/api/v2/signingcert',
      '/api/v2/signingCert/',
      '/%zz',
      '/log/other/checkpoint',
    ]) {
      const response = await fetch(service.url + path);
      expect(response.status, path).to.equal(404);
      const refusal = await refusalOf(response);
      expect(refusal).to.include({ code: 5, message: 'Not Found: there is nothing at this path' });
      expect(refusal.details[0].reason).to.equal('NOT_FOUND');
    }
    expect((await post(`${service.url}/nowhere`, {})).status).to.equal(404);
  });

  it('answers the wrong method as Fulcio does: 501 with code 12, HEAD included', async () => {
    const table: readonly (readonly [string, string])[] = [
      ['GET', '/api/v2/signingCert'],
      ['PUT', '/api/v2/signingCert'],
      ['GET', '/api/v1/signingCert'],
      ['POST', '/api/v2/trustBundle'],
      ['DELETE', '/api/v1/rootCert'],
      ['OPTIONS', '/api/v2/configuration'],
    ];
    for (const [method, path] of table) {
      const response = await fetch(service.url + path, { method });
      expect(response.status, `${method} ${path}`).to.equal(501);
      const refusal = await refusalOf(response);
      expect(refusal.code).to.equal(12);
      expect(fulcioWords(refusal)).to.equal('Method Not Allowed');
      const allow = path.endsWith('signingCert') ? 'POST' : 'GET';
      expect(response.headers.get('allow'), path).to.equal(allow);
      expect(refusal.details[0].metadata['sentence']).to.equal(
        `the path exists, but not for ${method}: use ${allow}`,
      );
    }
    const healthz = await post(`${service.url}/healthz`, {});
    expect([healthz.status, healthz.headers.get('allow')]).to.deep.equal([501, 'GET, HEAD']);
    for (const path of [
      '/api/v2/trustBundle',
      '/api/v2/configuration',
      '/api/v1/rootCert',
      '/api/v2/signingCert',
    ]) {
      expect((await fetch(service.url + path, { method: 'HEAD' })).status, path).to.equal(501);
    }
  });

  it('asks about the host name before anything else, when it is configured to', async () => {
    const picky = await startTestService(() => ({
      acceptHost: (host) => host?.startsWith('good.') === true,
    }));
    const ask = (url: string, host: string, method: string): Promise<readonly [number | undefined, string]> =>
      new Promise((resolve, reject) => {
        httpRequest(url, { method, headers: { host } }, (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => (text += chunk.toString()));
          response.on('end', () => {
            resolve([response.statusCode, text]);
          });
        })
          .on('error', reject)
          .end();
      });
    for (const [method, path] of [
      ['POST', '/api/v2/signingCert'],
      ['GET', '/api/v2/trustBundle'],
      ['GET', '/log/2026/checkpoint'],
      ['GET', '/nowhere'],
    ] as const) {
      const [status, text] = await ask(picky.url + path, 'evil.example', method);
      expect(status, path).to.equal(403);
      expect(JSON.parse(text), path).to.have.nested.property('details[0].reason', 'HOST_REFUSED');
      expect((await ask(picky.url + path, 'good.example', method))[0], path).to.not.equal(403);
    }
    expect((await ask(picky.metricsUrl, 'evil.example', 'GET'))[0]).to.equal(403);
    expect((await ask(picky.metricsUrl, 'good.example', 'GET'))[0]).to.equal(200);
    await picky.close();
  });

  it('lets a page of any origin sign with a token in the header', async () => {
    const preflight = await fetch(`${service.url}/api/v2/signingCert`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://page.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });
    expect(preflight.status).to.equal(204);
    expect(preflight.headers.get('access-control-allow-origin')).to.equal('*');
    expect(preflight.headers.get('access-control-allow-methods')).to.contain('POST');
    expect(preflight.headers.get('access-control-allow-headers')).to.contain('authorization');
    expect(preflight.headers.get('vary')).to.contain('Origin');
    const { publicKeyRequest } = bodyV2('', clientKey());
    const answers = [
      await post(
        `${service.url}/api/v2/signingCert`,
        { publicKeyRequest },
        { origin: 'https://page.example', authorization: `Bearer ${await emailToken(service)}` },
      ),
      await post(`${service.url}/api/v2/signingCert`, {}, { origin: 'https://page.example' }),
      await fetch(`${service.url}/api/v2/trustBundle`, { headers: { origin: 'https://page.example' } }),
    ];
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 400, 200]);
    for (const { headers } of answers) {
      expect(headers.get('access-control-allow-origin')).to.equal('*');
      expect(headers.get('access-control-expose-headers')).to.contain('SCT');
    }
    const plain = await fetch(`${service.url}/api/v2/trustBundle`);
    expect(plain.headers.get('vary')).to.equal('Origin');
    expect(plain.headers.has('access-control-allow-origin')).to.equal(false);
  });

  it('names neither its framework nor its version in a header', async () => {
    for (const path of ['/healthz', '/nowhere', `/log/2026/checkpoint`]) {
      const { headers } = await fetch(service.url + path);
      for (const name of ['x-powered-by', 'server', 'etag']) expect(headers.has(name), name).to.equal(false);
    }
  });

  it('counts under the names of Fulcio on every path of the operator’s listener', async () => {
    const other = await startTestService();
    const token = await emailToken(other);
    await post(`${other.url}/api/v1/signingCert`, {
      publicKey: { content: Buffer.from(clientKey().pem).toString('base64') },
    });
    await post(`${other.url}/api/v2/signingCert`, bodyV2(token, clientKey()));
    await fetch(`${other.logUrl}/checkpoint`);
    for (const path of ['/', '/metrics', '/anything']) {
      const response = await fetch(other.metricsUrl + path);
      expect(response.headers.get('content-type')).to.match(/^text\/plain/);
      const text = await response.text();
      for (const line of [
        'fulcio_new_certs 1',
        'fulcio_api_latency_count{code="200",method="post"} 1',
        'fulcio_api_latency_bucket{le="+Inf",code="400",method="post"} 1',
        '# TYPE fulcio_api_latency histogram',
        'http_requests_total{code="200",method="post"} 1',
        'mayfly_refusals_total{entry="none",reason="TOKEN_MISSING"} 1',
        'mayfly_log_size 1',
        'mayfly_log_heads_total 1',
        'mayfly_log_reads_total{endpoint="checkpoint",code="200"} 1',
        'mayfly_log_failed 0',
      ]) {
        expect(text).to.contain(line);
      }
      expect(text).to.match(
        /^fulcio_build_info\{version="0.1.0",revision=".*",build_date=".*",goversion=".*"\} 1$/m,
      );
      expect(text).to.match(/^process_cpu_seconds_total /m);
    }
    await other.close();
  });

  it('has no metric with a name that OpenMetrics takes for another one', async () => {
    const text = await (await fetch(service.metricsUrl)).text();
    const families = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name);
    expect(families).to.include('mayfly_log_reads_total').and.to.include('mayfly_log_reads_in_progress');
    // There a counter's family is called without its `_total`.
    for (const [, name = ''] of text.matchAll(/^# TYPE (\S+)_total counter$/gm)) {
      expect(families).to.not.include(name);
    }
  });

  it('makes no new time series from what untrusted callers send', async () => {
    await new Promise<void>((resolve, reject) => {
      const request = httpRequest(`${service.url}/api/v2/signingCert`, { method: 'PROPFIND' }, (response) => {
        response.resume().on('end', resolve);
      });
      request.on('error', reject).end();
    });
    const text = await (await fetch(service.metricsUrl)).text();
    expect(text).to.contain('method="unknown"');
    expect(text).to.not.match(/propfind/i);
  });
});
