/** The provider's pages: plain HTML that a screen reader and a browser without scripts can use, nothing from outside. */

import { printable } from '../core/printable.ts';

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** `text` as HTML text or attribute value. */
const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');

/** Text of others as a person sees it: what is not printable stands as an escape. */
const shown = (text: string): string => escapeHtml(printable(text));

/** The style of every page; its hash is all that the content security policy lets in. */
export const STYLE = `
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:2rem auto;padding:0 1rem}
.warning{border:.2rem solid #b45309;padding:.5rem 1rem;font-weight:600}
.error{border-left:.3rem solid #b91c1c;padding-left:.7rem}
label{display:block;font-weight:600}
input[type=email],input[type=text]{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;margin:.3rem 0 1rem}
button{font:inherit;padding:.5rem 1.2rem;margin-right:.5rem}
code{font-size:1.1em;overflow-wrap:anywhere}`;

/** A whole page. `body` is HTML already; `title` is text. Every page carries the warning. */
export function page(title: string, body: string): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · Mayfly dev</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<p class="warning" role="note">INSECURE DEV: anyone can be anybody here. Nothing is checked, no password is asked.</p>
<h1>${escapeHtml(title)}</h1>
${body}
</main>
</body>
</html>
`;
}

/** What went wrong, announced when the page is read aloud. */
export const errorNote = (text: string): string => `<p class="error" role="alert">${shown(text)}</p>`;

/** What the login page has to show. */
interface LoginView {
  readonly action: string;
  readonly csrf: string;
  /** Where the code or the token goes, in words. */
  readonly destination: string;
  /** What was typed before, or what the client hinted at. */
  readonly email: string;
  readonly error?: string | undefined;
}

/** The page that asks who to be. */
export function loginPage(view: LoginView): string {
  const described = view.error === undefined ? '' : ' aria-invalid="true" aria-describedby="problem"';
  return page(
    'Who do you want to be?',
    `${view.error === undefined ? '' : `<div id="problem">${errorNote(view.error)}</div>`}
<p>The program at <code>${shown(view.destination)}</code> will get an identity token for this e-mail address.</p>
<form method="post" action="${escapeHtml(view.action)}">
<input type="hidden" name="csrf" value="${escapeHtml(view.csrf)}">
<label for="email">E-mail address</label>
<input type="email" id="email" name="email" value="${escapeHtml(view.email)}" required maxlength="254" autocomplete="email" autofocus${described}>
<button type="submit" name="answer" value="login">Log in</button>
<button type="submit" name="answer" value="cancel" formnovalidate>Cancel</button>
</form>`,
  );
}

/** Fields that the provider wants back from a page of the device flow. */
interface DeviceView {
  readonly action: string;
  readonly xsrf: string;
  readonly userCode: string;
  readonly error?: string | undefined;
}

/** The page of the device flow that asks for the code. */
export function deviceCodePage(view: DeviceView): string {
  return page(
    'Log in a device',
    `${view.error === undefined ? '' : errorNote(view.error)}
<form method="post" action="${escapeHtml(view.action)}">
<input type="hidden" name="xsrf" value="${escapeHtml(view.xsrf)}">
<label for="user_code">The code that your terminal shows</label>
<input type="text" id="user_code" name="user_code" value="${escapeHtml(view.userCode)}" required autocomplete="off" autofocus>
<button type="submit">Continue</button>
</form>`,
  );
}

/** The page of the device flow that shows the code once more before it counts. */
export function deviceConfirmPage(view: DeviceView): string {
  return page(
    'Is this the code?',
    `<p>Your terminal must show exactly this code: <code>${shown(view.userCode)}</code></p>
<p>If it does not, somebody else wants to log in with your help.</p>
<form method="post" action="${escapeHtml(view.action)}">
<input type="hidden" name="xsrf" value="${escapeHtml(view.xsrf)}">
<input type="hidden" name="user_code" value="${escapeHtml(view.userCode)}">
<button type="submit" name="confirm" value="yes">It is the same code</button>
<button type="submit" name="abort" value="yes">Cancel</button>
</form>`,
  );
}

/** The page that shows a code to be pasted, for clients that cannot be redirected to. */
export function outOfBandPage(code: string): string {
  return page(
    'Paste this code',
    `<p>Paste it where you were asked for it:</p>\n<p><code>${shown(code)}</code></p>`,
  );
}
