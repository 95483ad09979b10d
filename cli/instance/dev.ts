/** `mayfly dev`: CA, log and a real OpenID provider in one process, for development and tests. */
import { resolve } from 'node:path';
import { parseListenAddress } from '../../server/http/listen-address.ts';
import { action, type RegisterCommand, type Speaker } from '../program/command.ts';
import { requireLocal } from './local-only.ts';
import { grpcPlaces } from './serve-report.ts';
import { tlsFiles, type TlsOptions } from './tls-options.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import type { RunningDev } from '../../service/development/start-dev.ts';
import { invocation } from '../program/invocation.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { runService } from '../../service/lifetime.ts';

interface DevOptions extends TlsOptions {
  readonly listen: string;
  readonly issuerListen: string;
  readonly metricsListen: string;
  readonly grpcListen?: string;
  readonly data: string;
  readonly insecurePublicHost?: string;
}

const DEFAULT_URL = 'http://127.0.0.1:5555';
const DEFAULT_DATA = './.mayfly';

const EXAMPLES = `
INSECURE: the provider lets everybody be anybody, so a certificate of this CA means nothing to anybody else. The
directory is marked, the CA says so in its name, and \`mayfly serve\` refuses to run it. For production there are
\`mayfly init\` and \`mayfly serve\`.

The directory is made when it is not there, and remembers the issuer's address. Ctrl-C ends everything in order.

Examples:
  mayfly dev
  mayfly dev --listen 127.0.0.1:0 --issuer-listen 127.0.0.1:0 --json       any free ports, for scripts
  mayfly dev --data /tmp/try                                               another instance
  mayfly dev --tls-cert cert.pem --tls-key key.pem                         for clients that take nothing but TLS
  mayfly dev --listen 0.0.0.0:5555 --issuer-listen 0.0.0.0:5556 --insecure-public-host build.lan
                            for a network where everybody may be anybody
`;

/** Adds the command. */
export const register: RegisterCommand = (program) => {
  program
    .command('dev')
    .summary('run everything in one process, for development')
    .description(
      'Run CA, log and an OpenID provider that lets anybody be anybody, for development and tests.',
    )
    .option(
      '--listen <address>',
      'where clients reach the service; port 0 picks a free one',
      '127.0.0.1:5555',
    )
    .option('--issuer-listen <address>', 'where the OpenID provider listens', '127.0.0.1:5556')
    .option('--metrics-listen <address>', 'where metrics and /readyz are read', '127.0.0.1:0')
    .option('--grpc-listen <address>', 'where gRPC is taken without TLS; default: any free port of 127.0.0.1')
    .option('--tls-cert <file>', 'PEM certificate chain: --listen speaks TLS, and takes gRPC too')
    .option('--tls-key <file>', 'PEM private key of --tls-cert')
    .option('--data <dir>', 'the directory; made when it is not there', DEFAULT_DATA)
    .option(
      '--insecure-public-host <name>',
      'let other machines in under this name; anyone who reaches it can be anybody',
    )
    .option('--json', 'first line on stdout is {"event":"ready",…}; failures are JSON too')
    .addHelpText('after', EXAMPLES)
    .action(
      action(async (options: DevOptions, speak) => {
        await runService({
          hangup: 'stop',
          open: () => open(options, speak),
          ready: (started) => {
            tellReady(speak, started, options);
          },
        });
        return undefined;
      }),
    );
};

/** A started service, with the line by which cosign trusts it; without a TUF repository there is none. */
interface StartedDev extends RunningDev {
  readonly cosignLine?: string;
}

async function open(options: DevOptions, speak: Speaker): Promise<StartedDev> {
  const addresses = {
    listen: parseListenAddress(options.listen),
    issuerListen: parseListenAddress(options.issuerListen),
    metricsListen: parseListenAddress(options.metricsListen),
    ...(options.grpcListen === undefined ? {} : { grpcListen: parseListenAddress(options.grpcListen) }),
  };
  requireLocal(addresses, options.insecurePublicHost);
  const tls = tlsFiles(options);
  // Only now: help and completion need no provider.
  const { startDev } = await import('../../service/development/start-dev.ts');
  const running = await startDev({
    ...addresses,
    tls,
    data: options.data,
    publicHost: options.insecurePublicHost,
    clock: Date.now,
    program: invocation(),
    note: (text) => {
      speak.note(text);
    },
  });
  return { ...running, ...(await cosignLineOf(options.data, running.url)) };
}

/** Of a directory from before there were TUF repositories, nothing. */
async function cosignLineOf(data: string, url: string): Promise<{ readonly cosignLine?: string }> {
  const { cosignBegins, rootOfRepository } = await import('../trust/tuf/tuf-directory.ts');
  const { readRepository } = await import('../../trust/tuf/repository.ts');
  const { paths } = await openDataDirectory(data);
  const repository = await readRepository(paths.tuf);
  return repository === undefined ? {} : { cosignLine: cosignBegins(url, rootOfRepository(repository)) };
}

function tellReady(speak: Speaker, running: StartedDev, options: DevOptions): void {
  const { url, metricsUrl, logUrl, issuerUrl, listen, metricsListen, grpcListen } = running;
  const facts = { url, metricsUrl, logUrl, issuerUrl, listen, metricsListen, grpcListen: grpcListen ?? null };
  speak.answer({ event: 'ready', ...facts }, readyText(running, options));
}

function readyText(running: StartedDev, { data, tlsCert }: DevOptions): string {
  const rows = [
    ['Certificates', `${running.url}   (the Fulcio URL of clients)`],
    ...grpcPlaces(running).map((text) => ['gRPC', text]),
    ['Log', `${running.logUrl}   (${running.logSize} entries)`],
    ['Trust', `${running.url}/trust/   (what clients and verifiers are given)`],
    ['Issuer', `${running.issuerUrl}   (log in with any e-mail address)`],
    ['Metrics', `${running.metricsUrl}/metrics`],
    ['Directory', resolve(data)],
  ];
  return [
    '',
    'Mayfly is ready. INSECURE DEV: anybody can be anybody here.',
    ...rows.map(([name = '', value = '']) => `  ${name.padEnd(13)} ${value}`),
    '',
    'Sign something and verify it: paste these lines into another terminal:',
    '',
    ...firstSignature(running, data, tlsCert).map((line) => `  ${line}`),
    '',
    ...cosignLines(running),
    'Ctrl-C ends it; what is under way is finished first.',
  ].join('\n');
}

/** How cosign signs here. A certificate for development is none that it trusts, so nothing is said of it under TLS. */
const cosignLines = ({ url, cosignLine }: StartedDev): readonly string[] =>
  cosignLine === undefined || url.startsWith('https:')
    ? []
    : [
        'Or have cosign 3 sign and verify here, with no flag more than elsewhere, after this line:',
        '',
        `  ${cosignLine}`,
        '',
      ];

/** Two lines for any POSIX shell, in any directory, again and again. */
function firstSignature({ url, issuerUrl }: RunningDev, data: string, tlsCert?: string): readonly string[] {
  const program = invocation();
  // A certificate for development is its own CA, or that of a CA which no program knows.
  const trusted = tlsCert === undefined ? '' : `NODE_EXTRA_CA_CERTS=${quotedPath(tlsCert)} `;
  const [who, fromData] = ['you@example.com', ` --data ${quotedPath(data)}`];
  const fromUrl = url === DEFAULT_URL ? '' : ` --url ${url}`;
  const token = `${program} token --email ${who}${fromData}`;
  const exported = `${program} trust export${fromData} --public-url ${url} --out mayfly-trust --force`;
  const expected = `--trusted-root mayfly-trust --identity ${who} --issuer ${issuerUrl}`;
  return [
    `date > signed.txt; SIGSTORE_ID_TOKEN=$(${token}) ${trusted}${program} sign signed.txt --force${fromUrl}`,
    `${exported} > /dev/null && ${program} verify bundle signed.txt.sigstore.json --artifact signed.txt ${expected}`,
  ];
}
