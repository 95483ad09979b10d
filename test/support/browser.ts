/** A browser for tests: keeps cookies, follows redirects, and fills in the forms that pages really carry. */

/** A form as the page has it. */
export interface Form {
  readonly action: string;
  readonly method: string;
  /** Values of all inputs by name. */
  readonly fields: Readonly<Record<string, string>>;
  /** Names and values of the buttons. */
  readonly buttons: readonly (readonly [name: string, value: string])[];
}

/** Where a browser has come to. */
export interface Page {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly html: string;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
};
const unescapeHtml = (text: string): string =>
  text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity] ?? entity);

function attributes(tag: string): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [, name = '', value = ''] of tag.matchAll(/([\w-]+)="([^"]*)"/g))
    out[name] = unescapeHtml(value);
  return out;
}

/** The first form of `page`. */
export function formOf(page: Page): Form {
  const found = /<form([^>]*)>([\s\S]*?)<\/form>/.exec(page.html);
  if (found === null) throw new Error(`no form on ${page.url} (${page.status}): ${page.html}`);
  const { action = '', method = 'get' } = attributes(found[1] ?? '');
  const fields: Record<string, string> = {};
  for (const [, tag = ''] of (found[2] ?? '').matchAll(/<input([^>]*)>/g)) {
    const { name, value } = attributes(tag);
    if (name !== undefined) fields[name] = value ?? '';
  }
  const buttons = [...(found[2] ?? '').matchAll(/<button([^>]*)>/g)].flatMap(([, tag = '']) => {
    const { name, value } = attributes(tag);
    return name === undefined ? [] : [[name, value ?? ''] as const];
  });
  return { action: new URL(action, page.url).href, method, fields, buttons };
}

/** One browser with its own cookies. Redirects are followed inside the first origin it visits; a redirect that leaves
 * it is answered as a page with that URL and nothing in it. */
export class Browser {
  readonly #cookies = new Map<string, { path: string; value: string }>();
  readonly #origin: string;

  constructor(origin: string) {
    this.#origin = origin;
  }

  /** Opens `url`. */
  async open(url: string): Promise<Page> {
    return await this.#go(url, { method: 'GET' });
  }

  /** Presses the button `button` (or the first one) of the first form of `page`, with `typed` in its fields. */
  async submit(page: Page, typed: Readonly<Record<string, string>> = {}, button?: string): Promise<Page> {
    const form = formOf(page);
    const pressed = form.buttons.find(
      ([name, value]) => button === undefined || button === name || button === value,
    );
    if (button !== undefined && pressed === undefined) throw new Error(`no button ${button} on ${page.url}`);
    const body = new URLSearchParams({ ...form.fields, ...typed });
    if (pressed !== undefined) body.set(pressed[0], pressed[1]);
    const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: new URL(page.url).origin };
    return await this.#go(form.action, { method: 'POST', body: body.toString(), headers });
  }

  async #go(url: string, init: RequestInit): Promise<Page> {
    let next = url;
    let request = init;
    for (let hops = 0; hops < 10; hops++) {
      if (new URL(next).origin !== this.#origin) {
        return { url: next, status: 0, headers: new Headers(), html: '' };
      }
      const headers = {
        ...(request.headers as Record<string, string> | undefined),
        cookie: this.#cookieFor(next),
      };
      const response = await fetch(next, { ...request, headers, redirect: 'manual' });
      this.#keep(response.headers.getSetCookie());
      const location = response.headers.get('location');
      if (location === null) {
        return { url: next, status: response.status, headers: response.headers, html: await response.text() };
      }
      next = new URL(location, next).href;
      request = { method: 'GET' };
    }
    throw new Error(`too many redirects from ${url}`);
  }

  #cookieFor(url: string): string {
    const { pathname } = new URL(url);
    return [...this.#cookies]
      .filter(([, { path }]) => pathname.startsWith(path))
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ');
  }

  #keep(setCookies: readonly string[]): void {
    for (const line of setCookies) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      const path = /;\s*path=([^;]*)/i.exec(line)?.[1] ?? '/';
      if (/expires=Thu, 01 Jan 1970/i.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, { path, value });
    }
  }
}

/** Logs in at `authorizationUrl` through the real form; the URL that the client is sent back to. */
export async function logIn(authorizationUrl: string, email: string): Promise<URL> {
  const browser = new Browser(new URL(authorizationUrl).origin);
  const page = await browser.open(authorizationUrl);
  return new URL((await browser.submit(page, { email }, 'login')).url);
}

/** Walks through the device flow's pages from `verificationUri` as `email`; the last page. */
export async function approveDevice(verificationUri: string, userCode: string, email: string): Promise<Page> {
  const browser = new Browser(new URL(verificationUri).origin);
  const asked = await browser.open(verificationUri);
  const confirm = await browser.submit(asked, { user_code: userCode });
  const login = await browser.submit(confirm, {}, 'confirm');
  return await browser.submit(login, { email }, 'login');
}
