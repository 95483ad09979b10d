import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { decodeJwt } from 'jose';
import { CommandError } from '../../../cli/program/command.ts';
import { logIn, type LoginOptions } from '../../../cli/certificate/login.ts';
import { ensureIssuerKey } from '../../../dev/issuer-key.ts';
import { startProvider, type RunningProvider } from '../../../dev/provider.ts';
import { approveDevice, Browser, logIn as fillForm } from '../../support/browser.ts';
import { failureAs } from '../../support/failure.ts';

describe('cli/certificate/login', () => {
  let directory: string;
  let provider: RunningProvider;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-login-'));
    provider = await startProvider({ host: '127.0.0.1', port: 0, key: await ensureIssuerKey(directory) });
  });

  after(async () => {
    await provider.close();
    await rm(directory, { recursive: true });
  });

  const options = (more: Partial<LoginOptions>): LoginOptions => ({
    issuer: provider.issuer,
    namedBy: 'service',
    clientId: 'sigstore',
    flow: 'auto',
    notify: () => undefined,
    ...more,
  });

  it('gets a token through the browser', async () => {
    let said = '';
    let opened: Promise<unknown> | undefined;
    const token = await logIn(
      options({
        notify: (text) => (said += text),
        openBrowser: (url) => {
          opened = fillForm(url.href, 'ada@example.com').then((callback) => fetch(callback));
        },
      }),
    );
    await opened;
    expect(decodeJwt(token)).to.include({ iss: provider.issuer, aud: 'sigstore', email: 'ada@example.com' });
    expect(said).to.contain(`${provider.issuer}/auth?`);
    expect(said)
      .to.contain(`at ${new URL(provider.issuer).host}:`)
      .and.not.contain('another host');
  });

  it('takes the device flow where no browser opens', async () => {
    let said = '';
    let approved: Promise<unknown> | undefined;
    const token = await logIn(
      options({
        notify: (text) => {
          said = text;
          const code = /[A-Z]{4}-[A-Z]{4}/.exec(text)?.[0] ?? '';
          approved = approveDevice(`${provider.issuer}/device`, code, 'dev@example.com');
        },
      }),
    );
    await approved;
    expect(decodeJwt(token)['email']).to.equal('dev@example.com');
    expect(said).to.contain('/device?user_code=');
  });

  it('ignores an answer that belongs to another login', async () => {
    const statuses: number[] = [];
    let done: Promise<unknown> | undefined;
    const token = await logIn(
      options({
        openBrowser: (url) => {
          done = (async () => {
            const forged = new URL(String(url.searchParams.get('redirect_uri')));
            forged.search = '?code=x&state=guess';
            statuses.push((await fetch(forged)).status);
            statuses.push((await fetch(await fillForm(url.href, 'ada@example.com'))).status);
          })();
        },
      }),
    );
    await done;
    expect(decodeJwt(token)['email']).to.equal('ada@example.com');
    expect(statuses).to.deep.equal([404, 200]);
  });

  it('says so when the person cancels', async () => {
    const error = await failureAs(
      CommandError,
      logIn(
        options({
          openBrowser: (url) => {
            void (async () => {
              const browser = new Browser(provider.issuer);
              const end = await browser.submit(await browser.open(url.href), {}, 'cancel');
              await fetch(end.url);
            })();
          },
        }),
      ),
    );
    expect(error.message).to.contain('refused or cancelled');
  });

  it('gives up when nobody comes', async () => {
    for (const flow of ['browser', 'device'] as const) {
      const error = await failureAs(CommandError, logIn(options({ flow, timeoutMs: 20 })));
      expect(error.message, flow).to.contain('nobody logged in in time');
    }
  });

  it('sends nothing over plain HTTP to another machine', async () => {
    const error = await failureAs(CommandError, logIn(options({ issuer: 'http://issuer.example.com' })));
    expect(error.code).to.equal('REFUSED');
    expect(error.message).to.contain('plain HTTP');
  });

  it('says what is wrong when there is no issuer', async () => {
    const gone = await startProvider({ host: '127.0.0.1', port: 0, key: await ensureIssuerKey(directory) });
    await gone.close();
    const error = await failureAs(CommandError, logIn(options({ issuer: gone.issuer })));
    expect(error.message).to.contain('nothing listens there');
  });

  describe('with an issuer that means harm', () => {
    async function withIssuer(
      answer: (origin: string) => RequestListener,
      run: (origin: string) => Promise<void>,
    ) {
      const server = createServer();
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve);
      });
      const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      server.on('request', answer(origin));
      try {
        await run(origin);
      } finally {
        server.close();
        server.closeAllConnections();
      }
    }

    const discovery =
      (origin: string, more: object): RequestListener =>
      (_req, res) => {
        const document = {
          issuer: origin,
          authorization_endpoint: `${origin}/auth`,
          token_endpoint: `${origin}/token`,
          jwks_uri: `${origin}/jwks`,
          response_types_supported: ['code'],
          ...more,
        };
        res.setHeader('content-type', 'application/json').end(JSON.stringify(document));
      };

    it('does not open a login page over plain HTTP elsewhere', async () => {
      const answer = (origin: string) =>
        discovery(origin, { authorization_endpoint: 'http://example.com/auth' });
      await withIssuer(answer, async (issuer) => {
        expect((await failureAs(CommandError, logIn(options({ issuer })))).code).to.equal('REFUSED');
      });
    });

    /** Comes back from any login page with a code, and with `more` beside it. */
    const comeBack = (url: URL, more: Readonly<Record<string, string>>): Promise<unknown> => {
      const back = new URL(String(url.searchParams.get('redirect_uri')));
      back.search = String(
        new URLSearchParams({ code: 'c', state: url.searchParams.get('state') ?? '', ...more }),
      );
      return fetch(back);
    };

    it('takes no code of an issuer other than the one that was asked, where the answer says whose it is', async () => {
      // An honest provider is asked to log in, and the code would go to the one that lies.
      const honest = { authorization_endpoint: `${provider.issuer}/auth` };
      const asked: string[] = [];
      const answer =
        (origin: string): RequestListener =>
        (request, response) => {
          asked.push(request.url ?? '');
          discovery(origin, honest)(request, response);
        };
      await withIssuer(answer, async (issuer) => {
        let done: Promise<unknown> | undefined;
        const openBrowser = (url: URL): void => {
          done = fillForm(url.href, 'ada@example.com').then((callback) => fetch(callback));
        };
        const error = await failureAs(CommandError, logIn(options({ issuer, openBrowser })));
        await done;
        expect(error.message).to.contain('"iss"');
        expect(asked).to.deep.equal(['/.well-known/openid-configuration']);
      });
    });

    it('takes no code without the name of its issuer, where the issuer announces it', async () => {
      const answer = (origin: string) =>
        discovery(origin, { authorization_response_iss_parameter_supported: true });
      await withIssuer(answer, async (issuer) => {
        const openBrowser = (url: URL): void => void comeBack(url, {});
        const error = await failureAs(CommandError, logIn(options({ issuer, openBrowser })));
        expect(error.message).to.contain('"iss"');
      });
    });

    it('leads to the login page of another host on the word of a person alone, and names it', async () => {
      const answer = (origin: string) =>
        discovery(origin, {
          authorization_endpoint: `${origin}/auth`.replace('127.0.0.1', 'localhost'),
          token_endpoint: `${origin}/token`.replace('127.0.0.1', 'localhost'),
        });
      await withIssuer(answer, async (issuer) => {
        const { host, port } = new URL(issuer);
        const opened: URL[] = [];
        let said = '';
        const login = options({
          issuer,
          notify: (text) => (said += text),
          openBrowser: (url) => {
            opened.push(url);
            void comeBack(url, { error: 'access_denied' });
          },
        });
        const refused = await failureAs(CommandError, logIn(login));
        expect(refused.code).to.equal('REFUSED');
        expect(refused.message).to.contain(`localhost:${port}`).and.contain(host);
        expect(refused.hint).to.contain(`--issuer ${issuer}`);
        expect([opened, said]).to.deep.equal([[], '']);

        await failureAs(CommandError, logIn({ ...login, namedBy: 'person' }));
        expect(opened).to.have.length(1);
        expect(said).to.contain(`at localhost:${port}:`).and.contain(`log in for ${host}`);
        expect(said).to.contain(`completed at localhost:${port}`);
      });
    });

    it('names the host where a code is to be entered, in letters that cannot be mistaken', async () => {
      const answer =
        (origin: string): RequestListener =>
        (request, response) => {
          const device = {
            device_code: 'd',
            user_code: 'AAAA-BBBB',
            // The first letter is Cyrillic.
            verification_uri: 'https://\u0430ccounts.example.com/device',
            expires_in: 1,
            interval: 1,
          };
          if (request.url === '/device')
            response.setHeader('content-type', 'application/json').end(JSON.stringify(device));
          else discovery(origin, { device_authorization_endpoint: `${origin}/device` })(request, response);
        };
      await withIssuer(answer, async (issuer) => {
        let said = '';
        const notify = (text: string): void => void (said += text);
        await failureAs(CommandError, logIn(options({ issuer, flow: 'device', notify, timeoutMs: 20 })));
        expect(said).to.contain('at xn--').and.contain('another host').and.not.contain('\u0430');
      });
    });

    it('sends nobody to enter a code over plain HTTP elsewhere', async () => {
      const answer =
        (origin: string): RequestListener =>
        (request, response) => {
          const device = {
            device_code: 'd',
            user_code: 'u',
            verification_uri: 'http://example.com/',
            expires_in: 1,
          };
          if (request.url === '/device')
            response.setHeader('content-type', 'application/json').end(JSON.stringify(device));
          else discovery(origin, { device_authorization_endpoint: `${origin}/device` })(request, response);
        };
      await withIssuer(answer, async (issuer) => {
        const error = await failureAs(
          CommandError,
          logIn(options({ issuer, flow: 'device', timeoutMs: 20 })),
        );
        expect(error.code).to.equal('REFUSED');
      });
    });

    it('does not take the device code over plain HTTP elsewhere', async () => {
      const answer = (origin: string) =>
        discovery(origin, { device_authorization_endpoint: 'http://example.com/device' });
      await withIssuer(answer, async (issuer) => {
        expect((await failureAs(CommandError, logIn(options({ issuer, flow: 'device' })))).code).to.equal(
          'REFUSED',
        );
      });
    });

    it('does not believe one that calls itself by another name', async () => {
      await withIssuer(
        (origin) => discovery(origin, { issuer: 'https://accounts.google.com' }),
        async (issuer) => {
          expect((await failureAs(CommandError, logIn(options({ issuer })))).message).to.contain(
            'did not work',
          );
        },
      );
    });

    it('stops reading an answer without end, and follows no redirect', async () => {
      const endless: RequestListener = (_req, res) => {
        res.setHeader('content-type', 'application/json');
        const more = (): void => {
          while (!res.destroyed && res.write(' '.repeat(1 << 16)));
        };
        res.on('drain', more);
        more();
      };
      await withIssuer(
        () => endless,
        async (issuer) => {
          expect((await failureAs(CommandError, logIn(options({ issuer })))).message).to.contain(
            'longer than',
          );
        },
      );
      await withIssuer(
        () => (_req, res) => res.writeHead(302, { location: provider.issuer }).end(),
        async (issuer) => {
          expect((await failureAs(CommandError, logIn(options({ issuer })))).message).to.contain('redirect');
        },
      );
    });
  });
});
