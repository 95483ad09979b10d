/** `mayfly serve`: the service. */
import { isOpen } from '../../policy/issuer-policy-definition.ts';
import { parseListenAddress, requireProtectedTransport } from '../../server/http/listen-address.ts';
import { action, CommandError, notify, type RegisterCommand, type Speaker } from '../program/command.ts';
import { readSecret } from '../program/input-file.ts';
import { invocation } from '../program/invocation.ts';
import { runService } from '../../service/lifetime.ts';
import { machineClock } from '../../service/machine-clock.ts';
import { openService, type RunningService } from '../../service/open-service.ts';
import { ruleCount } from '../../service/reload/reload-report.ts';
import { serveReport } from './serve-report.ts';
import { tlsFiles, type TlsOptions } from './tls-options.ts';
import { serviceManager } from '../../service/service-manager.ts';

interface ServeOptions extends TlsOptions {
  readonly data: string;
  readonly config?: string;
  readonly listen: string;
  readonly metricsListen: string;
  readonly grpcListen?: string;
  readonly passphraseFile?: string;
  readonly behindTlsProxy?: boolean;
  readonly insecureNoLog?: boolean;
  readonly workers?: string;
}

const EXAMPLES = `
Examples:
  mayfly serve --data /var/lib/mayfly
  mayfly serve --data /var/lib/mayfly --passphrase-file /run/secrets/mayfly
  mayfly serve --data DIR --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem
  mayfly serve --data DIR --listen 0.0.0.0:5555 --behind-tls-proxy
  mayfly serve --data DIR --listen '[::1]:0' --metrics-listen 127.0.0.1:0 --json

One JSON line on stderr reports each certificate and each refusal; with mayfly.audit in the configuration, certificates
stand there instead. A change of the configuration is followed within seconds, sooner on SIGHUP; one that cannot be
used leaves the last good one in force. SIGTERM and SIGINT finish what is under way; a second one, a second later or
more, ends at once. The directory is made by \`mayfly init\`; to try things out, use \`mayfly dev\`.`;

/** Adds `serve`. */
export const register: RegisterCommand = (program) => {
  program
    .command('serve')
    .summary('run the service')
    .description('Runs CA and log from a data directory until it is asked to stop.')
    .requiredOption('--data <dir>', 'the data directory that `mayfly init` made')
    .option('--config <file>', "configuration instead of the directory's config.yaml")
    .option(
      '--listen <address>',
      'where clients reach the service; port 0 picks a free one',
      '127.0.0.1:5555',
    )
    .option('--metrics-listen <address>', 'where the operator reads metrics and /readyz', '127.0.0.1:2112')
    .option('--grpc-listen <address>', 'where gRPC is taken without TLS; with TLS it is on --listen')
    .option('--passphrase-file <file>', 'file whose first line opens the keys')
    .option('--tls-cert <file>', 'PEM certificate chain; followed as it is renewed')
    .option('--tls-key <file>', 'PEM private key of --tls-cert')
    .option('--behind-tls-proxy', 'plain HTTP beyond loopback is fine: a proxy in front speaks TLS')
    .option(
      '--insecure-no-log',
      'certificates are in no log and carry no SCT: for verifiers that ask for none',
    )
    .option('--workers <n>', 'threads that take connections and sign, or `auto`: one for each core')
    .option('--json', 'first line on stdout is {"event":"ready",…}; failures are JSON too')
    .addHelpText('after', EXAMPLES)
    .action(
      action(async (options: ServeOptions, speak) => {
        const manager = serviceManager((sentence) => {
          notify(`mayfly: warning: ${sentence}`);
        });
        await runService({
          hangup: 'reload',
          open: () => open(options),
          ready: (service) => {
            sayReady(speak, service, options);
            manager.ready();
          },
        });
        return undefined;
      }),
    );
};

async function open(options: ServeOptions): Promise<RunningService> {
  const tls = tlsFiles(options);
  const listen = parseListenAddress(options.listen);
  const metricsListen = parseListenAddress(options.metricsListen);
  const behindTlsProxy = options.behindTlsProxy === true;
  requireProtectedTransport(listen, { tls: tls !== undefined, behindTlsProxy });
  return openService({
    data: options.data,
    configFile: options.config,
    passphrase: await readSecret(options.passphraseFile, 'passphrase'),
    listen,
    metricsListen,
    grpcListen: options.grpcListen === undefined ? undefined : parseListenAddress(options.grpcListen),
    tls,
    behindTlsProxy,
    insecureNoLog: options.insecureNoLog,
    workers: options.workers === undefined ? undefined : workersOf(options.workers),
    clock: Date.now,
    steadyClock: machineClock(),
    program: invocation(),
  });
}

/** As many as the configuration may ask for. */
const MAX_WORKERS = 64;

function workersOf(text: string): number | 'auto' {
  if (text === 'auto') return text;
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= MAX_WORKERS) return count;
  throw new CommandError('USAGE', `--workers takes a number from 1 to ${MAX_WORKERS}, or auto`, {
    hint: 'With auto there is one for each core.',
  });
}

function sayReady(speak: Speaker, service: RunningService, options: ServeOptions): void {
  const { url, metricsUrl, logUrl, listen, metricsListen, grpcListen, config } = service;
  const text = serveReport({
    ...service,
    data: options.data,
    publicUrl: config.mayfly.publicUrl,
    issuers: config.issuers.map(({ definition }) => definition.url),
    rules: ruleCount(config),
    openBlocks: config.issuers.filter(isOpen).map(({ definition }) => definition.name),
    isOwnConfig: options.config !== undefined,
  });
  const addresses = { listen, metricsListen, grpcListen: grpcListen ?? null };
  speak.answer({ event: 'ready', url, metricsUrl, logUrl, issuerUrl: null, ...addresses }, text);
}
