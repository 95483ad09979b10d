/** An instance in a directory that changes as an operator changes it, and the signatures that are made meanwhile. */
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot as TrustedRootMessage } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { adoptAuthority } from '../../../ca/adopt.ts';
import { Issuance } from '../../../ca/issuance.ts';
import type { Speaker } from '../../../cli/program/command.ts';
import { init } from '../../../cli/tsa/tsa-init.ts';
import { platformCrypto } from '../../../cli/verify/platform-crypto.ts';
import { toBase64 } from '../../../core/bytes.ts';
import { openCtLog } from '../../../ct-log/ct-log.ts';
import {
  createInstance,
  type ExistingAuthority,
  type NewAuthority,
} from '../../../instance/create-instance.ts';
import { OpenedKeys } from '../../../instance/opened-keys.ts';
import { certificateLogPaths, dataPaths, type DataPaths } from '../../../instance/data-paths.ts';
import { openAuthority, signerOfChain } from '../../../service/open-authority.ts';
import { encodeTrustedRoot, type TrustedRoot } from '../../../trust/format/trusted-root.ts';
import { readTrust } from '../../../trust/ledger.ts';
import { withPublicUrl } from '../../../trust/public-urls.ts';
import { SIGSTORE_POLICY } from '../../../tsa/format/object-identifiers.ts';
import { TimestampAuthority } from '../../../tsa/timestamp-authority.ts';
import { parseTimestampRequest } from '../../../tsa/timestamp-request.ts';
import { exactly } from '../../../verify/identity-policy.ts';
import { verifyCertificate, type Verification } from '../../../verify/verify-certificate.ts';
import { pemOf } from '../../ca/support/authority.ts';
import { issued } from '../../ca/support/issuing.ts';
import { openPolicy } from '../../ca/support/open-policy.ts';
import { emailPrincipal } from '../../ca/support/principal.ts';
import { requestFor, trustedClock, WITH_CERTIFICATE } from '../../tsa/support/test-authority.ts';

/** What was signed with a certificate, and when. */
export interface SignedArtifact {
  readonly certificate: Uint8Array;
  /** The CA certificates that came with it, DER. */
  readonly chain: readonly Uint8Array[];
  readonly signature: Uint8Array;
  /** DER TimeStampResp over the signature. */
  readonly timestamp: Uint8Array;
  /** A Sigstore bundle, with the timestamp. */
  readonly bundle: unknown;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

const ARTIFACT = Buffer.from('what is signed');
const PRINCIPAL = emailPrincipal();

/** An instance with one log called `2026`. */
export class RenewableInstance {
  readonly root: string;
  readonly data: string;
  readonly paths: DataPaths;
  /** Milliseconds that the clock of the service is ahead of the real one. */
  skew = 0;
  readonly #passphrase: string | undefined;

  private constructor(root: string, paths: DataPaths, passphrase?: string) {
    this.root = root;
    this.paths = paths;
    this.data = paths.root;
    this.#passphrase = passphrase;
  }

  /** One whose directory `data` in `root` commands have made. */
  static at(root: string, data: string, passphrase?: string): RenewableInstance {
    return new RenewableInstance(root, dataPaths(join(root, data)), passphrase);
  }

  /** Makes one as `init` does; its root key lies in `root.key.pem` beside it. */
  static make(): Promise<RenewableInstance> {
    return RenewableInstance.#makeWith((root) => ({
      organization: 'Test',
      commonName: 'Test CA',
      keyType: 'p256',
      rootKey: { file: join(root, 'root.key.pem') },
    }));
  }

  /** Makes one as `init --ca-key` and `tsa init` do, with the CA of another, a log and a key for timestamps of its own. */
  static async adopt(other: RenewableInstance): Promise<RenewableInstance> {
    const [key, chainPem] = await Promise.all([
      readFile(other.paths.intermediateKey),
      readFile(other.paths.chain, 'utf8'),
    ]);
    const adopted = await adoptAuthority({ key, chainPem, clock: Date.now });
    const made = await RenewableInstance.#makeWith(() => adopted);
    await init({ data: made.data, rootKey: other.path('root.key.pem') }, listener());
    return made;
  }

  static async #makeWith(
    authority: (root: string) => NewAuthority | ExistingAuthority,
  ): Promise<RenewableInstance> {
    const root = await mkdtemp(join(tmpdir(), 'mayfly-renewal-'));
    const { paths } = await createInstance({
      data: join(root, 'data'),
      mode: 'production',
      authority: authority(root),
      origin: 'localhost/log/2026',
      sctExtensions: 'leaf_index',
      configText: 'oidc-issuers: {}\n',
      clock: Date.now,
    });
    return new RenewableInstance(root, paths);
  }

  /** The path of a file beside the directory. */
  path(name: string): string {
    return join(this.root, name);
  }

  /** A copy of the data directory that lies beside it, as an instance. */
  elsewhere(name: string): RenewableInstance {
    return new RenewableInstance(this.root, dataPaths(this.path(name)));
  }

  remove(): Promise<void> {
    return rm(this.root, { recursive: true });
  }

  get #keys(): OpenedKeys {
    return new OpenedKeys({ passphrase: this.#passphrase });
  }

  /** Starts, issues a certificate, signs with it, and ends. */
  async sign(): Promise<SignedArtifact> {
    const clock = (): number => Date.now() + this.skew;
    const { authority } = await openAuthority(this.paths, this.#keys, clock);
    const logPaths = certificateLogPaths(this.paths, '2026');
    const { directory } = logPaths;
    const signers = await this.#keys.log(logPaths);
    const log = await openCtLog({ directory, signers, chain: authority.chain, clock });
    try {
      const policy = { current: openPolicy(PRINCIPAL) };
      const issuance = new Issuance({ policy, authority, log, clock });
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const proof = sign('sha256', Buffer.from(PRINCIPAL.challenge), privateKey);
      const key = { kind: 'publicKey', content: pemOf(publicKey), proof } as const;
      const { certificate } = await issued(issuance, { token: 'token', key });
      const signature = sign('sha256', ARTIFACT, privateKey);
      const timestamp = await this.#timestamp(signature);
      const bundle = bundleOf(certificate, signature, timestamp);
      return { certificate, chain: authority.chain, signature, timestamp, bundle, time: clock() };
    } finally {
      await log.close();
    }
  }

  /** DER TimeStampResp over a signature. */
  async #timestamp(signature: Uint8Array): Promise<Uint8Array> {
    // A second later: the authority says whole seconds, and a certificate may begin in the one that is.
    const clock = (): number => Date.now() + this.skew + 1000;
    const chainPem = await readFile(this.paths.timestampChain, 'utf8');
    const keys = this.#keys;
    const signer = await signerOfChain(chainPem, keys.timestamps(this.paths), keys);
    const time = trustedClock(clock);
    const authority = await TimestampAuthority.open({
      chainPem,
      signer,
      clock: time,
      policy: SIGSTORE_POLICY,
      accuracySeconds: 1,
    });
    const request = parseTimestampRequest(requestFor(signature, { rest: [WITH_CERTIFICATE] }));
    return (await authority.grant(request)).response;
  }

  /** What verifiers are given now. */
  async trustedRoot(): Promise<TrustedRoot> {
    const { root } = await readTrust(this.paths);
    return withPublicUrl(root, 'https://ca.example.org');
  }
}

function bundleOf(certificate: Uint8Array, signature: Uint8Array, timestamp: Uint8Array): unknown {
  return {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: {
      certificate: { rawBytes: toBase64(certificate) },
      tlogEntries: [],
      timestampVerificationData: { rfc3161Timestamps: [{ signedTimestamp: toBase64(timestamp) }] },
    },
    messageSignature: {
      messageDigest: {
        algorithm: 'SHA2_256',
        digest: createHash('sha256').update(ARTIFACT).digest('base64'),
      },
      signature: toBase64(signature),
    },
  };
}

/** What our verifier says of the certificate. */
export const judge = (
  { certificate, chain }: SignedArtifact,
  trustedRoot: TrustedRoot,
  isChainPresented = false,
): Promise<Verification> =>
  verifyCertificate({
    certificate,
    presented: isChainPresented ? chain : [],
    trust: { roots: [], intermediates: [], logs: [], trustedRoot },
    policy: { identity: exactly(PRINCIPAL.san.value), issuer: exactly(PRINCIPAL.issuer) },
    crypto: platformCrypto,
  });

/** What sigstore-js says against the bundle; undefined where it accepts it. */
export function stockComplaint({ bundle }: SignedArtifact, trustedRoot: TrustedRoot): string | undefined {
  const thresholds = { ctlogThreshold: 1, tlogThreshold: 0, timestampThreshold: 1 };
  const root = TrustedRootMessage.fromJSON(JSON.parse(encodeTrustedRoot(trustedRoot)));
  try {
    new Verifier(toTrustMaterial(root), thresholds).verify(toSignedEntity(bundleFromJSON(bundle), ARTIFACT), {
      subjectAlternativeName: PRINCIPAL.san.value,
      extensions: { issuer: PRINCIPAL.issuer },
    });
    return undefined;
  } catch (error) {
    return String(error);
  }
}

/** Demands that `judge`, which is ours, and sigstore-js accept each of the artifacts under `root`. */
export async function expectAccepted(
  root: TrustedRoot,
  artifacts: Readonly<Record<string, SignedArtifact>>,
  judgeOf: (
    artifact: SignedArtifact,
    root: TrustedRoot,
  ) => Promise<{ readonly ok: boolean; readonly steps: readonly { readonly ok: boolean }[] }> = judge,
): Promise<void> {
  for (const [name, artifact] of Object.entries(artifacts)) {
    const { ok, steps } = await judgeOf(artifact, root);
    expect(ok, `${name}: ${JSON.stringify(steps.filter((step) => !step.ok))}`).to.equal(true);
    expect(stockComplaint(artifact, root), `${name} by sigstore-js`).to.equal(undefined);
  }
}

/** What a command said. */
export interface Listener extends Speaker {
  /** All of it, as a person sees it. */
  readonly heard: string[];
  /** The lines of an answer that is a sequence: what they say, and how. */
  readonly records: Record<string, unknown>[];
  readonly texts: string[];
}

/** A speaker that keeps what it is given. */
export function listener(): Listener {
  const heard: string[] = [];
  const records: Record<string, unknown>[] = [];
  const texts: string[] = [];
  return {
    json: false,
    heard,
    records,
    texts,
    answer: (_, text) => void heard.push(text),
    record: (facts, text) => {
      heard.push(text);
      records.push({ ...facts });
      texts.push(text);
      return Promise.resolve(true);
    },
    note: (text) => void heard.push(text),
    step: () => undefined,
    progress: () => undefined,
  };
}
