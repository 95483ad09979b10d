/**
 * Verifies a Sigstore bundle offline: that its signature is over an artifact, by whom, and that trusted timestamp authorities or logs saw it while the signer's certificate was
 * valid. The one call of this room that answers for a bundle as a whole.
 */
import { equalBytes, utf8Text } from '../../core/bytes.ts';
import { parseCertificate, type Certificate } from '../../core/certificate.ts';
import { FormatError } from '../../core/errors.ts';
import { printable } from '../../core/printable.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import { parseBundle, type Bundle } from '../../bundle/format/bundle.ts';
import { preAuthenticationEncoding } from '../../bundle/format/envelope.ts';
import type { Statement } from '../../bundle/format/statement.ts';
import type { LoggedSignature } from '../../rekor/format/logged-signature.ts';
import { requireCurrent } from '../deny-list.ts';
import { demandExtension, readFulcioExtensions, type ExtensionPolicy } from '../fulcio-extension.ts';
import { readIdentity, readIssuer } from '../identity.ts';
import {
  checkChain,
  checkDenied,
  checkNames,
  checkProof,
  checkSct,
  denySubjectOf,
  findTrustedSct,
  loggedCertificate,
  noteNoSct,
  readIssued,
  refuseProof,
  type CertificateWithSct,
} from '../issued-certificate.ts';
import { hasSct } from '../sct.ts';
import { StepRecorder, type SkippedStep, type Step } from '../step.ts';
import { refused, VerifyError, type Fault } from '../verify-error.ts';
import type { ArtifactHash, BundleCrypto } from './artifact.ts';
import { requireMeetable, type BundleRequest } from './bundle-request.ts';
import { BUNDLE_STEPS, type BundleStep } from './bundle-step.ts';
import { SignatureBudgetError, withSignatureBudget } from './signature-budget.ts';
import {
  checkSignature,
  hashesOf,
  readBundleKey,
  requireNoOtherDigest,
  type BundleKey,
} from './signing-key.ts';
import { findTimes, type SigningTime } from './signing-time.ts';
import { checkPredicate, checkPredicateType, checkSubject, readStatement } from './statement-check.ts';

/** With whom a refusal lies: the `artifact` with its bundle, the `policy` (genuine, but not what was asked for), or the `trust` (newer trust material may know the CA, log or
 * authority). */
export type BundleFault = 'artifact' | 'policy' | 'trust';

/** The answer. */
export interface BundleVerification {
  /** Whether every step passed. */
  readonly ok: boolean;
  /** With whom the fault lies: the artifact if anything is wrong with it, else the trust, else the policy. */
  readonly fault: BundleFault | undefined;
  /** In the order in which they were taken; `fault` of a failed one is as above. */
  readonly steps: readonly (Omit<Step<BundleStep>, 'fault'> & { readonly fault?: BundleFault })[];
  /** What could not be judged because one of `steps` failed. */
  readonly skipped: readonly SkippedStep<BundleStep>[];
  /** What trusted sources say of when the signature was made. Each holds by itself, whatever other steps failed: look at `ok` first. */
  readonly times: readonly SigningTime[];
  /** Milliseconds since the epoch: the times at which the signer was judged. */
  readonly at: readonly number[];
  /** The CA certificates above the signer's, DER, issuing CA first, root last; empty where no way leads to a trusted root. */
  readonly path: readonly Uint8Array[];
  /** What the signer's certificate says, whether or not it is true; undefined where there is none or it cannot be read. */
  readonly identity: string | undefined;
  readonly issuer: string | undefined;
  readonly extensions: Readonly<Record<string, string>> | undefined;
  /** What the attestation says; undefined unless every step passed, so that nobody acts on one that is not verified. */
  readonly statement: { readonly predicateType: string; readonly predicate: JsonValue } | undefined;
}

/**
 * Verifies a bundle. Answers with failed steps whatever the bundle and the proof hold; rejects with {@link VerifyError} `BAD_TRUST` when the trusted CAs cannot be read, and
 * `BAD_DENY_LIST` when the deny list has expired. Rejects with TypeError or RangeError for a request that cannot be met: deny list or proof beside a key, a
 * threshold or time that is no such number.
 */
export async function verifyBundle(request: BundleRequest): Promise<BundleVerification> {
  requireMeetable(request);
  if (request.deny !== undefined) requireCurrent(request.deny.list, request.deny.now);
  if (request.signer.type === 'certificate') await request.trust.certificates();
  return new BundleJudge(request).judge();
}

/** The first one decides: newer trust material does not help a wrong signature. */
const FAULTS: readonly Fault[] = ['certificate', 'trust', 'policy'];

const asBundleFault = (fault: Fault): BundleFault => (fault === 'certificate' ? 'artifact' : fault);

/** The state of one verification. */
class BundleJudge {
  readonly #request: BundleRequest;
  readonly #record = new StepRecorder<BundleStep>();
  readonly #crypto: BundleCrypto;
  #times: readonly SigningTime[] = [];
  #at: readonly number[] = [];
  #path: readonly Certificate[] = [];
  #certificate: Certificate | undefined;
  #statement: Statement | undefined;

  constructor(request: BundleRequest) {
    this.#request = request;
    this.#crypto = withSignatureBudget(request.trust.crypto);
  }

  async judge(): Promise<BundleVerification> {
    try {
      await this.#check();
    } catch (error) {
      if (!(error instanceof SignatureBudgetError)) throw error;
      await this.#endBy(error);
    }
    return this.#conclude();
  }

  async #check(): Promise<void> {
    const bundle = await this.#record.run('bundle', () => {
      const { bundle: text, allowRootInChain } = this.#request;
      const read = parseBundle(typeof text === 'string' ? text : utf8Text(text));
      const { bundle: rootless, hasRoot } = withoutRoots(read);
      if (hasRoot && allowRootInChain !== true)
        throw refused(
          'the chain of the bundle has a root in it, as clients of 2023 wrote it: it is refused unless that is allowed, for what a bundle brings is never an anchor',
          'policy',
        );
      const roots = hasRoot ? ', with a root in its chain, which is passed over' : '';
      return [`version ${read.version}, ${CONTENTS[read.content.type]}${roots}`, rootless];
    });
    if (bundle === undefined) {
      this.#skip('bundle', BUNDLE_STEPS);
      return;
    }
    const key = await this.#readSigner(bundle);
    const hash = await this.#checkSigned(bundle, key);
    await this.#checkTime(bundle, key, hash);
    if (this.#certificate !== undefined && bundle.signer.type === 'certificate')
      await this.#checkCertificate(this.#certificate, bundle.signer.chain);
    await this.#checkStatement();
  }

  /** The check that was under way fails, and none follows. */
  async #endBy({ refusal }: SignatureBudgetError): Promise<void> {
    const { running = 'bundle' } = this.#record;
    await this.#record.run(running, () => {
      throw refusal;
    });
    this.#skip(running, BUNDLE_STEPS);
  }

  /** Of the certificate or the key that the policy wants; undefined when the bundle has another thing. */
  async #readSigner(bundle: Bundle): Promise<BundleKey | undefined> {
    const { signer: policy } = this.#request;
    const { signer } = bundle;
    if (policy.type === 'key') {
      const key = await this.#record.run('key', () => {
        if (signer.type !== 'key')
          throw refused('the bundle is signed with a certificate, and a key was given', 'policy');
        const read = readPolicyKey(policy.spki);
        const hint =
          signer.hint === '' ? '' : `; the bundle's hint at it is "${printable(signer.hint.slice(0, 200))}"`;
        return [`${read.name}${hint}`, read];
      });
      if (key === undefined) this.#skip('key', [...SIGNED_STEPS, ...CERTIFICATE_STEPS]);
      return key;
    }
    const certificate =
      signer.type === 'certificate'
        ? await readIssued(this.#record, signer.certificate)
        : await this.#record.run<Certificate>('certificate', () => {
            throw refused('the bundle is signed with a key, and no key was given', 'policy');
          });
    const key =
      certificate &&
      (await this.#record.run('key', () => {
        const read = readBundleKey(certificate.spki);
        return [`${read.name}, of the certificate`, read];
      }));
    if (key === undefined) {
      const needs = certificate === undefined ? 'certificate' : 'key';
      this.#skip(needs, [...SIGNED_STEPS, ...CERTIFICATE_STEPS]);
      return undefined;
    }
    this.#certificate = certificate;
    return key;
  }

  /** The signature, and that it is about the artifact. Returns the hash under the signature, where it is known. */
  async #checkSigned({ content }: Bundle, key: BundleKey | undefined): Promise<ArtifactHash | undefined> {
    const { artifact } = this.#request;
    const found =
      key &&
      (await this.#record.run('signature', async () => {
        const made = await checkSignature(key, content, artifact, this.#crypto);
        return [`over the ${content.type === 'envelope' ? 'envelope' : 'artifact'}, by ${made.name}`, made];
      }));
    await this.#record.run('artifact', async () => {
      if (content.type === 'message')
        return [await requireNoOtherDigest(content.digest, artifact), undefined];
      this.#statement = readStatement(content.envelope);
      return [await checkSubject(this.#statement, artifact), undefined];
    });
    return found?.hash;
  }

  async #checkTime(
    bundle: Bundle,
    key: BundleKey | undefined,
    hash: ArtifactHash | undefined,
  ): Promise<void> {
    const { thresholds = {}, now } = this.#request;
    const { logs, timestamps } = this.#request.trust;
    const trust = { logs, timestamps, crypto: this.#crypto };
    const logged = key && (await this.#loggedSignature(bundle, key, hash));
    const isUnknown = bundle.entries.length > 0 && logged === undefined;
    const needs = key === undefined ? 'key' : isUnknown ? 'signature' : undefined;
    const found = await findTimes(this.#record, bundle, logged, trust, { thresholds, now, needs });
    this.#times = found.times;
    this.#at = found.at ?? [];
    if (found.needs !== undefined) this.#skip(found.needs, ['time']);
  }

  /** What entries of artifact logs must be about; undefined where the digest by the hash of the signature is not known. `made` is the hash under the signature, if it
   * holds. */
  async #loggedSignature(
    { content, signer }: Bundle,
    key: BundleKey,
    made: ArtifactHash | undefined,
  ): Promise<LoggedSignature | undefined> {
    const verifier =
      signer.type === 'certificate'
        ? { certificate: signer.certificate, spki: key.spki }
        : { spki: key.spki };
    if (content.type === 'envelope') {
      const { payload, payloadType, keyId, signature } = content.envelope;
      const encoding = preAuthenticationEncoding(content.envelope);
      const signed = {
        type: 'envelope',
        payload,
        payloadType,
        keyId,
        preAuthenticationEncoding: encoding,
      } as const;
      return { verifier, signature, signed };
    }
    const hash = made ?? (key.type === 'ed25519' ? 'sha512' : hashesOf(key, content)[0]);
    const digest = hash && (await this.#request.artifact.digest(hash));
    if (hash === undefined || digest === undefined) return undefined;
    return { verifier, signature: content.signature, signed: { type: 'message', hash, digest } };
  }

  async #checkCertificate(certificate: Certificate, presented: readonly Uint8Array[]): Promise<void> {
    const { signer, deny, trust } = this.#request;
    const crypto = this.#crypto;
    const record = this.#record;
    if (signer.type !== 'certificate') return;
    const prepared = await trust.certificates();
    const unlogged = this.#whyUnlogged(certificate);
    if (unlogged !== undefined) await noteNoSct(record, unlogged);
    const found = unlogged === undefined ? await findTrustedSct(record, certificate, prepared) : undefined;
    const times = this.#at;
    const path =
      times.length === 0
        ? undefined
        : await checkChain(record, certificate, { trust: prepared, presented, times, found, crypto });
    this.#path = path ?? [];
    const logged = found && path && loggedCertificate(certificate, found, path, crypto);
    if (logged) await checkSct(record, logged, crypto);
    else if (times.length === 0) this.#skip('time', ['chain', ...NEED_LOGGED, ...INCLUSION]);
    else if (unlogged === undefined) this.#skip(found ? 'chain' : 'sct', [...NEED_LOGGED, ...INCLUSION]);
    // Names are looked at only when all before is right: see `checkNames`.
    if (record.failed === undefined) {
      await checkNames(record, certificate, signer.identity);
      await this.#checkExtensions(certificate, signer.extensions ?? []);
    } else this.#skip(record.failed, NAMES);
    const subject = logged ? denySubjectOf(logged) : path && { certificate, path, seenAt: times };
    if (subject && record.failed === undefined && deny !== undefined)
      await checkDenied(record, subject, deny.list, crypto);
    else if (record.failed !== undefined) this.#skip(record.failed, ['deny']);
    await this.#checkProof(logged, unlogged !== undefined);
  }

  /** Why a certificate need not have an SCT that has none; undefined for one that has or needs one. */
  #whyUnlogged(certificate: Certificate): string | undefined {
    const { trust, thresholds = {} } = this.#request;
    if (hasSct(certificate) || (thresholds.scts ?? (trust.namesCertificateLog ? 1 : 0)) > 0) return undefined;
    return trust.namesCertificateLog ? 'none is wanted' : 'the trust names no log of certificates';
  }

  async #checkProof(logged: CertificateWithSct | undefined, isUnlogged: boolean): Promise<void> {
    const { proof } = this.#request;
    if (!this.#isAsked('inclusion')) return;
    if (logged !== undefined) await checkProof(this.#record, logged, proof, this.#crypto);
    else if (isUnlogged && this.#at.length > 0) await refuseProof(this.#record);
  }

  async #checkExtensions(certificate: Certificate, wanted: readonly ExtensionPolicy[]): Promise<void> {
    if (wanted.length === 0) return;
    await this.#record.run('extension', () => {
      for (const one of wanted) demandExtension(certificate, one);
      const found = wanted.map(({ extension, value }) => `${extension.name} "${printable(value)}"`);
      return [found.join(', '), undefined];
    });
  }

  async #checkStatement(): Promise<void> {
    const { predicateType, predicate } = this.#request;
    const statement = this.#statement;
    const { failed } = this.#record;
    if (failed !== undefined) {
      this.#skip(failed, STATEMENT_STEPS);
      return;
    }
    if (predicateType !== undefined)
      await this.#record.run('predicate-type', () => [
        checkPredicateType(statement, predicateType),
        undefined,
      ]);
    if (predicate !== undefined)
      await this.#record.run('predicate', () => [checkPredicate(statement, predicate), undefined]);
  }

  /** Whether the request asks for a step at all. */
  #isAsked(name: BundleStep): boolean {
    const { signer, deny, proof, requireInclusion, predicateType, predicate } = this.#request;
    const isCertificate = signer.type === 'certificate';
    if (name === 'extension') return isCertificate && (signer.extensions ?? []).length > 0;
    if (name === 'deny') return isCertificate && deny !== undefined;
    if (name === 'inclusion') return isCertificate && (proof !== undefined || requireInclusion === true);
    if (name === 'predicate-type') return predicateType !== undefined;
    if (name === 'predicate') return predicate !== undefined;
    return isCertificate || !CERTIFICATE_STEPS.includes(name);
  }

  /** Notes of those of the steps that are asked for, and were not taken, that they need another. */
  #skip(needs: BundleStep, names: readonly BundleStep[]): void {
    const done = new Set([...this.#record.steps, ...this.#record.skipped].map(({ name }) => name));
    this.#record.skip(needs, ...names.filter((name) => this.#isAsked(name) && !done.has(name)));
  }

  #conclude(): BundleVerification {
    const { steps, skipped } = this.#record;
    const ok = steps.every((step) => step.ok) && skipped.length === 0;
    const fault = FAULTS.find((one) => steps.some((step) => step.fault === one));
    const certificate = this.#certificate;
    const statement = this.#statement;
    return {
      ok,
      fault: fault && asBundleFault(fault),
      steps: steps.map(({ fault: whose, ...step }) =>
        whose === undefined ? step : { ...step, fault: asBundleFault(whose) },
      ),
      skipped: BUNDLE_STEPS.flatMap((name) => skipped.filter((step) => step.name === name)),
      times: this.#times,
      at: this.#at,
      path: this.#path.map(({ der }) => der),
      identity: certificate && said(() => readIdentity(certificate).value),
      issuer: certificate && said(() => readIssuer(certificate)),
      extensions: certificate && said(() => readFulcioExtensions(certificate)),
      statement:
        ok && statement !== undefined
          ? { predicateType: statement.predicateType, predicate: statement.predicate ?? null }
          : undefined,
    };
  }
}

const CONTENTS = { message: 'the signature of an artifact', envelope: 'an attestation' } as const;

const SIGNED_STEPS: readonly BundleStep[] = ['signature', 'time'];
const NEED_LOGGED: readonly BundleStep[] = ['sct-signature', 'sct-time'];
const INCLUSION: readonly BundleStep[] = ['inclusion'];
const NAMES: readonly BundleStep[] = ['identity', 'issuer', 'extension'];
const STATEMENT_STEPS: readonly BundleStep[] = ['predicate-type', 'predicate'];
const CERTIFICATE_STEPS: readonly BundleStep[] = [
  ...(['certificate', 'sct', 'chain', ...NEED_LOGGED, ...NAMES, 'deny', ...INCLUSION] as const),
];

/** What is wrong with the key of the policy is no fault of the artifact. */
function readPolicyKey(spki: Uint8Array): BundleKey {
  try {
    return readBundleKey(spki);
  } catch (error) {
    if (error instanceof FormatError || error instanceof VerifyError)
      throw refused(`the given key cannot be used: ${error.message}`, 'policy');
    throw error;
  }
}

/** The bundle without the roots in its chain. Clients put the certificates of CAs into old bundles, some with the root: it leads nowhere, and is never an anchor. */
function withoutRoots(bundle: Bundle): { readonly bundle: Bundle; readonly hasRoot: boolean } {
  const { signer } = bundle;
  if (signer.type !== 'certificate') return { bundle, hasRoot: false };
  const chain = signer.chain.filter((der) => {
    const { subject, issuer } = parseCertificate(der);
    return !equalBytes(subject, issuer);
  });
  return { bundle: { ...bundle, signer: { ...signer, chain } }, hasRoot: chain.length < signer.chain.length };
}

/** What a certificate says, or undefined where it cannot be read. */
function said<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError || error instanceof VerifyError) return undefined;
    throw error;
  }
}
