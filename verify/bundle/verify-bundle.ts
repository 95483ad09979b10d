/**
 * Verifies a Sigstore bundle offline: that its signature is over an artifact, by whom, and that trusted timestamp authorities or logs saw it while the signer's certificate was
 * valid. The one call of this room that answers for a bundle as a whole.
 */
import type { Certificate } from '../../core/certificate.ts';
import { printable } from '../../core/printable.ts';
import type { Bundle } from '../../bundle/format/bundle.ts';
import type { Statement } from '../../bundle/format/statement.ts';
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
  refuseProof,
  type CertificateWithSct,
} from '../issued-certificate.ts';
import { hasSct } from '../sct.ts';
import { faultOf, said, StepRecorder } from '../step.ts';
import { refused } from '../verify-error.ts';
import type { ArtifactHash, BundleCrypto } from './artifact.ts';
import { requireMeetable, type BundleRequest } from './bundle-request.ts';
import { readBundle, readSigner } from './bundle-signer.ts';
import { BUNDLE_STEPS, type BundleStep } from './bundle-step.ts';
import { asBundleFault, type BundleVerification } from './bundle-verification.ts';
import { loggedSignatureOf } from './logged-signature.ts';
import { SignatureBudgetError, withSignatureBudget } from './signature-budget.ts';
import { checkSignature, requireNoOtherDigest, type BundleKey } from './signing-key.ts';
import { findTimes, type SigningTime, type TimePolicy } from './signing-time.ts';
import { checkPredicate, checkPredicateType, checkSubject, readStatement } from './statement-check.ts';
import {
  CERTIFICATE_STEPS,
  INCLUSION,
  NAMES,
  NEED_LOGGED,
  SIGNED_STEPS,
  STATEMENT_STEPS,
  StepPlan,
} from './step-plan.ts';

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

/** The state of one verification. */
class BundleJudge {
  readonly #request: BundleRequest;
  readonly #record = new StepRecorder<BundleStep>();
  readonly #plan: StepPlan;
  readonly #crypto: BundleCrypto;
  #times: readonly SigningTime[] = [];
  #at: readonly number[] = [];
  #path: readonly Certificate[] = [];
  #certificate: Certificate | undefined;
  #statement: Statement | undefined;

  constructor(request: BundleRequest) {
    this.#request = request;
    this.#plan = new StepPlan(request, this.#record);
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
    const bundle = await readBundle(this.#record, this.#request);
    if (bundle === undefined) {
      this.#plan.skipRest('bundle');
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
    this.#plan.skipRest(running);
  }

  /** Of the certificate or the key that the policy wants; undefined when the bundle has another thing. */
  async #readSigner(bundle: Bundle): Promise<BundleKey | undefined> {
    const found = await readSigner(this.#record, bundle, this.#request.signer);
    if (typeof found === 'string') {
      this.#plan.skip(found, [...SIGNED_STEPS, ...CERTIFICATE_STEPS]);
      return undefined;
    }
    this.#certificate = found.certificate;
    return found.key;
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
    const { thresholds = {}, now, clock = Date.now(), requireInclusion = false, witnesses } = this.#request;
    const { logs, timestamps } = this.#request.trust;
    const trust = { logs, timestamps, crypto: this.#crypto };
    const logged = key && (await loggedSignatureOf(bundle, key, hash, this.#request.artifact));
    const isUnknown = bundle.entries.length > 0 && logged === undefined;
    const needs = key === undefined ? 'key' : isUnknown ? 'signature' : undefined;
    const policy: TimePolicy = { thresholds, now, clock, needs, requireInclusion, witnesses };
    const found = await findTimes(this.#record, bundle, logged, trust, policy);
    this.#times = found.times;
    this.#at = found.at ?? [];
    if (found.needs !== undefined) this.#plan.skip(found.needs, ['time']);
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
    else if (times.length === 0) this.#plan.skip('time', ['chain', ...NEED_LOGGED, ...INCLUSION]);
    else if (unlogged === undefined) this.#plan.skip(found ? 'chain' : 'sct', [...NEED_LOGGED, ...INCLUSION]);
    // Names are looked at only when all before is right: see `checkNames`.
    if (record.failed === undefined) {
      await checkNames(record, certificate, signer.identity);
      await this.#checkExtensions(certificate, signer.extensions ?? []);
    } else this.#plan.skip(record.failed, NAMES);
    const subject = logged ? denySubjectOf(logged) : path && { certificate, path, seenAt: times };
    if (subject && record.failed === undefined && deny !== undefined)
      await checkDenied(record, subject, deny.list, crypto);
    else if (record.failed !== undefined) this.#plan.skip(record.failed, ['deny']);
    await this.#checkProof(logged, unlogged !== undefined);
  }

  /** Why a certificate need not have an SCT that has none; undefined for one that has or needs one. */
  #whyUnlogged(certificate: Certificate): string | undefined {
    const { trust, thresholds = {} } = this.#request;
    if (hasSct(certificate) || (thresholds.scts ?? (trust.namesCertificateLog ? 1 : 0)) > 0) return undefined;
    return trust.namesCertificateLog ? 'none is wanted' : 'the trust names no log of certificates';
  }

  async #checkProof(logged: CertificateWithSct | undefined, isUnlogged: boolean): Promise<void> {
    if (!this.#plan.isAsked('inclusion')) return;
    if (logged !== undefined) await this.#checkProofOf(logged);
    else if (isUnlogged && this.#at.length > 0) await refuseProof(this.#record);
  }

  async #checkProofOf(logged: CertificateWithSct): Promise<void> {
    const { proof, trust } = this.#request;
    const log = proof && trust.logs.ofProof(proof);
    if (log === undefined) return checkProof(this.#record, logged, this.#request, this.#crypto);
    await this.#record.run('inclusion', () => {
      throw refused(
        `the proof is of an entry of the artifact log ${log.name}, and wanted is one of the certificate; entries are proven by what the bundle has of them`,
        'policy',
      );
    });
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
      this.#plan.skip(failed, STATEMENT_STEPS);
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

  #conclude(): BundleVerification {
    const { steps, skipped } = this.#record;
    const ok = steps.every((step) => step.ok) && skipped.length === 0;
    const fault = faultOf(steps);
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
