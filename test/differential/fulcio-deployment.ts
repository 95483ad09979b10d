/** A deployment of Sigstore's own programs as an operator has one: Fulcio with its CA in files, a certificate log, a timestamp authority, and the trusted root
 * that its clients are given. */
import { execFileSync, type ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HashAlgorithm, PublicKeyDetails, TrustedRoot } from '@sigstore/protobuf-specs';
import { startFulcioProgram } from '../../bench/fulcio-program.ts';
import { freePort } from '../../bench/free-port.ts';
import { startProgram } from '../../bench/go-program.ts';
import { stop } from '../../bench/process.ts';
import { decodePem, encodePem } from '../../core/pem.ts';
import { startCtLogServer, type CtLogServer } from './ct-log-server.ts';

/** It, running. Its directory has what it leaves: `fulcio-chain.pem`, `fulcio.key.pem` with the passphrase in `pass`, `fulcio-config.yaml`, `root.key.pem` and
 * `trusted_root.json`. */
export interface FulcioDeployment {
  readonly fulcioUrl: string;
  readonly timestampUrl: string;
  readonly logId: Uint8Array;
  close(): Promise<void>;
}

/** The programs of Sigstore that it runs. */
interface DeploymentPrograms {
  readonly fulcio: string;
  readonly timestampServer: string;
}

/** Starts it, with its files in `scratch`, among them `root.pem`. It logs certificates where `startLog` says. */
export async function deployFulcio(
  scratch: string,
  programs: DeploymentPrograms,
  config: string,
  startLog: () => Promise<CtLogServer> = startCtLogServer,
): Promise<FulcioDeployment> {
  const path = (name: string): string => join(scratch, name);
  makeChain(scratch);
  await writeFile(path('pass'), 'secret\n', { mode: 0o600 });
  await writeFile(path('fulcio-config.yaml'), config);
  const log = await startLog();
  await writeFile(path('ctfe.pub'), encodePem('PUBLIC KEY', log.publicKey));
  const timestamps = await startTimestamps(programs.timestampServer);
  const fulcio = await startFulcioProgram({
    program: programs.fulcio,
    config: path('fulcio-config.yaml'),
    ca: { chain: path('fulcio-chain.pem'), key: path('fulcio.key.pem'), passphrase: 'secret' },
    ctLog: { url: log.url, publicKey: path('ctfe.pub') },
  });
  const fulcioUrl = `http://127.0.0.1:${fulcio.port}`;
  const chain = await readFile(path('fulcio-chain.pem'), 'utf8');
  const root = trustedRoot({ chain, fulcioUrl, log, timestamps });
  await writeFile(path('trusted_root.json'), JSON.stringify(TrustedRoot.toJSON(root), undefined, 2));
  return {
    fulcioUrl,
    timestampUrl: timestamps.url,
    logId: log.logId,
    close: async () => {
      await Promise.all([fulcio.child, timestamps.child].map(stop));
      log.close();
    },
  };
}

/** A root (`root.pem`) and an issuing CA, whose chain and key are `fulcio-chain.pem` and `fulcio.key.pem`; the key is encrypted as `step` and older tools do it, with the passphrase `secret`. */
export function makeChain(cwd: string): void {
  const openssl = (...args: readonly string[]): unknown =>
    execFileSync('openssl', args, { cwd, stdio: 'pipe' });
  const ca = [
    '-addext',
    'basicConstraints=critical,CA:TRUE',
    '-addext',
    'keyUsage=critical,keyCertSign,cRLSign',
  ];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...key,
    '-subj',
    '/O=Old Ltd/CN=Old root',
    '-days',
    '365',
    '-keyout',
    'root.key.pem',
    '-out',
    'root.pem',
    ...ca,
  );
  const purpose = ['-addext', 'extendedKeyUsage=codeSigning'];
  const below = ['-CA', 'root.pem', '-CAkey', 'root.key.pem', ...purpose];
  openssl(
    'req',
    '-x509',
    ...key,
    '-subj',
    '/O=Old Ltd/CN=Old Fulcio',
    '-days',
    '300',
    '-keyout',
    'open.key.pem',
    '-out',
    'fulcio.pem',
    ...ca,
    ...below,
  );
  openssl('ec', '-in', 'open.key.pem', '-aes256', '-passout', 'pass:secret', '-out', 'fulcio.key.pem');
  execFileSync('sh', ['-ec', 'cat fulcio.pem root.pem > fulcio-chain.pem; rm open.key.pem'], { cwd });
}

interface Timestamps {
  readonly url: string;
  /** PEM, the signing certificate first. */
  readonly chain: string;
  readonly child: ChildProcess;
}

async function startTimestamps(program: string): Promise<Timestamps> {
  const port = await freePort();
  const command = [
    program,
    'serve',
    '--host=127.0.0.1',
    `--port=${port}`,
    '--disable-ntp-monitoring',
    '--timestamp-signer=memory',
  ];
  const url = `http://127.0.0.1:${port}`;
  const child = await startProgram(command, `${url}/api/v1/timestamp/certchain`);
  const chain = await (await fetch(`${url}/api/v1/timestamp/certchain`)).text();
  return { url, chain, child };
}

interface Material {
  readonly chain: string;
  readonly fulcioUrl: string;
  readonly log: CtLogServer;
  readonly timestamps: Timestamps;
}

/** By Sigstore's own library. */
function trustedRoot({ chain, fulcioUrl, log, timestamps }: Material): TrustedRoot {
  const authority = (pem: string, uri: string): TrustedRoot['certificateAuthorities'][number] => {
    const certificates = decodePem(pem).map(({ bytes }) => ({ rawBytes: Buffer.from(bytes) }));
    const [first = { rawBytes: Buffer.alloc(0) }] = certificates;
    return {
      subject: { organization: 'Old Ltd', commonName: 'Old root' },
      uri,
      certChain: { certificates },
      validFor: { start: new Date(new X509Certificate(first.rawBytes).validFrom), end: undefined },
      operator: '',
    };
  };
  return {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [],
    certificateAuthorities: [authority(chain, fulcioUrl)],
    ctlogs: [
      {
        baseUrl: log.url,
        hashAlgorithm: HashAlgorithm.SHA2_256,
        publicKey: {
          rawBytes: Buffer.from(log.publicKey),
          keyDetails: PublicKeyDetails.PKIX_ECDSA_P256_SHA_256,
          validFor: { start: new Date(Date.now() - 3_600_000), end: undefined },
        },
        logId: { keyId: Buffer.from(log.logId) },
        checkpointKeyId: undefined,
        operator: '',
      },
    ],
    timestampAuthorities: [authority(timestamps.chain, `${timestamps.url}/api/v1/timestamp`)],
  };
}
