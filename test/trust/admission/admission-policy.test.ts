import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { toHex, utf8 } from '../../../core/bytes.ts';
import { decodePem, encodePem } from '../../../core/pem.ts';
import {
  ADMISSION_CONTROLLERS,
  admissionPolicy,
  TAKING_TIMESTAMPS,
  type AdmissionController,
} from '../../../trust/admission/admission-policy.ts';
import { AdmissionError, type AdmissionTrust } from '../../../trust/admission/admission-trust.ts';
import { parseTrustedRoot } from '../../../trust/format/trusted-root.ts';
import { failureAs } from '../../support/failure.ts';
import { vectorPath } from '../../support/vectors.ts';

const NOW = Date.parse('2026-12-01');

const trustOf = (deployment: string, over: Partial<AdmissionTrust> = {}): AdmissionTrust => ({
  root: parseTrustedRoot(readFileSync(vectorPath(`trust-shapes/${deployment}/trusted_root.json`), 'utf8')),
  clientTrustConfig: readFileSync(vectorPath(`trust-shapes/${deployment}/client_trust_config.json`), 'utf8'),
  publicUrl: 'https://ca.example.com',
  identity: 'ada@example.com',
  issuer: 'https://login.example.com',
  now: NOW,
  ...over,
});

/** Any member of any document, by a path such as `1.spec.images`. */
const at = (text: string, path: string): unknown =>
  path.split('.').reduce<unknown>(
    (value, name) => (value as Record<string, unknown> | undefined)?.[name],
    parseAllDocuments(text).map((document) => document.toJS() as unknown),
  );

const pem = (text: unknown): string[] => Buffer.from(String(text), 'base64').toString().split('\n');

describe('admission policies', () => {
  for (const controller of ADMISSION_CONTROLLERS)
    it(`for ${controller} are YAML that names identity and issuer, with and without timestamps`, () => {
      for (const deployment of ['ca-only', 'tsa', 'rekor1-tsa', 'rekor2']) {
        const text = admissionPolicy(controller, trustOf(deployment));
        const documents = parseAllDocuments(text);
        expect(documents.flatMap(({ errors }) => errors)).to.deep.equal([]);
        const content = JSON.stringify(documents.map((document) => document.toJS() as unknown));
        expect(content).to.contain('"ada@example.com"').and.to.contain('"https://login.example.com"');
      }
    });

  it('for policy-controller hold CA, log and timestamp authority, in the form that its tester took', () => {
    const text = admissionPolicy('policy-controller', trustOf('tsa'));
    const keys = '0.spec.sigstoreKeys';
    expect(pem(at(text, `${keys}.certificateAuthorities.0.certChain`))).to.contain(
      '-----BEGIN CERTIFICATE-----',
    );
    expect(pem(at(text, `${keys}.ctLogs.0.publicKey`))[0]).to.equal('-----BEGIN PUBLIC KEY-----');
    expect(at(text, `${keys}.timestampAuthorities.0.uri`)).to.match(/\/api\/v1\/timestamp$/);
    expect(at(text, `${keys}.tLogs`)).to.equal(undefined);
    expect(at(text, '1.spec.authorities.1.signatureFormat')).to.equal('bundle');
    expect(at(text, '1.spec.authorities.0.rfc3161timestamp.trustRootRef')).to.equal('mayfly');
    const rekor = admissionPolicy('policy-controller', trustOf('rekor1-tsa'));
    expect(at(rekor, '1.spec.authorities.0.ctlog.trustRootRef')).to.equal('mayfly');
    // Beside it the tester takes a timestamp in the place of an entry.
    for (const index of [0, 1])
      expect(at(rekor, `1.spec.authorities.${index}`)).not.to.have.property('rfc3161timestamp');
  });

  it('take a timestamp in the place of an entry where that is said, and say so', () => {
    const remark = /^# It demands no entry in a log of artifacts/m;
    for (const controller of TAKING_TIMESTAMPS) {
      const demanding = admissionPolicy(controller, trustOf('rekor1-tsa'));
      const text = admissionPolicy(controller, trustOf('rekor1-tsa', { allowsUnlogged: true }));
      expect([demanding, text].map((one) => remark.test(one))).to.deep.equal([false, true]);
    }
    const root = { ...trustOf('rekor1-tsa').root, artifactLogs: [] };
    const documents = (over: Partial<AdmissionTrust>): string =>
      admissionPolicy('policy-controller', trustOf('rekor1-tsa', over)).replace(remark, '#');
    expect(at(documents({ allowsUnlogged: true }), '1')).to.deep.equal(at(documents({ root }), '1'));
    // Without a timestamp authority nothing says when.
    expect(admissionPolicy('kyverno', trustOf('rekor1', { allowsUnlogged: true }))).to.match(
      /only while its certificate is valid/,
    );
  });

  it('for kyverno have an attestor for each pair of a log and a timestamp authority', () => {
    const { root } = trustOf('tsa');
    const [log] = root.certificateLogs;
    const two = { ...root, certificateLogs: [...root.certificateLogs, ...(log ? [log] : [])] };
    const entries = '0.spec.rules.0.verifyImages.0.attestors.0.entries';
    const text = admissionPolicy('kyverno', trustOf('tsa', { root: two }));
    expect(at(text, entries)).to.have.length(2);
    expect(at(text, `${entries}.0.keyless.ctlog.tsaCertChain`)).to.contain('-----BEGIN CERTIFICATE-----');
    expect(at(text, `${entries}.0.keyless.rekor.ignoreTlog`)).to.equal(true);
  });

  it('for kyverno have the issuing CAs alone as anchors, so that none that has ended comes in below their root', () => {
    const { root } = trustOf('tsa');
    const [open] = root.certificateAuthorities;
    if (open === undefined) throw new Error('no CA');
    // Another CA below the same root; that its certificate is one does not count here.
    const gone = {
      ...open,
      chain: [utf8('ended'), ...open.chain.slice(1)],
      window: { start: 0, end: NOW - 1 },
    };
    const trust = trustOf('tsa', { root: { ...root, certificateAuthorities: [open, gone] } });
    const roots = at(
      admissionPolicy('kyverno', trust),
      '0.spec.rules.0.verifyImages.0.attestors.0.entries.0.keyless.roots',
    );
    expect(open.chain.length).to.be.greaterThan(1);
    expect(decodePem(String(roots)).map(({ bytes }) => toHex(bytes))).to.deep.equal([
      toHex(open.chain[0] ?? new Uint8Array()),
    ]);
  });

  it('name a Rekor with the key that is its own, whatever stands before it', () => {
    const [own] = trustOf('rekor1').root.artifactLogs;
    const [tiles] = trustOf('rekor2').root.artifactLogs;
    if (own === undefined || tiles === undefined) throw new Error('no Rekor');
    const ended = {
      ...own,
      baseUrl: 'https://ended.example.com',
      publicKey: utf8('ended'),
      window: { start: 0, end: NOW - 1 },
    };
    const trust = trustOf('rekor1', {
      root: { ...trustOf('rekor1').root, artifactLogs: [tiles, ended, own] },
    });
    const key = encodePem('PUBLIC KEY', own.publicKey);
    const of = (controller: AdmissionController, path: string): unknown =>
      at(admissionPolicy(controller, trust), path);
    const kyverno = '0.spec.rules.0.verifyImages.0.attestors.0.entries';
    expect(of('kyverno', `${kyverno}.0.keyless.rekor`)).to.deep.equal({ url: own.baseUrl, pubkey: key });
    expect(of('kyverno', kyverno)).to.have.length(1);
    const host = '0.application.validators.0.host';
    expect([of('connaisseur', `${host}.rekor`), of('connaisseur', `${host}.rekorPubkey`)]).to.deep.equal([
      own.baseUrl,
      key,
    ]);
    expect(of('ratify', '1.spec.parameters.trustPolicies.0.rekorURL')).to.equal(own.baseUrl);
    expect(of('ratify', '0.data')).to.include({ 'rekor.pub.pem': key });
    const setting = /^# +- \{name: SIGSTORE_REKOR_PUBLIC_KEY, value: \/mayfly\/rekor\.pub\.pem\}$/m;
    expect(admissionPolicy('ratify', trust)).to.match(setting);
    expect(admissionPolicy('ratify', trustOf('tsa'))).not.to.match(setting);
    const tuf = { mirror: 'https://ca.example.com/tuf', root: utf8('{}') };
    const following = admissionPolicy('kyverno', { ...trust, tuf });
    expect(at(following, '1.spec.attestors.0.cosign.ctlog')).to.deep.equal({ url: own.baseUrl });
  });

  it('for kyverno, following TUF, let any of the timestamp authorities say when', () => {
    const { root } = trustOf('tsa');
    const [first] = root.timestampAuthorities;
    if (first === undefined) throw new Error('no timestamp authority');
    const second = { ...first, chain: [utf8('second'), ...first.chain.slice(1)] };
    const tuf = { mirror: 'https://ca.example.com/tuf', root: utf8('{}') };
    const two = { ...root, timestampAuthorities: [first, second] };
    const text = admissionPolicy('kyverno', trustOf('tsa', { tuf, root: two }));
    const chains = ['0', '1'].map((index) => at(text, `1.spec.attestors.${index}.cosign.ctlog.tsaCertChain`));
    expect(new Set(chains)).to.have.property('size', 2);
    expect(at(text, '1.spec.validations.0.expression')).to.include(
      '[attestors.mayfly, attestors.mayfly2]) > 0',
    );
  });

  it('say what ends later, where the controller will not know', () => {
    const { root } = trustOf('tsa');
    const [log] = root.certificateLogs;
    if (log === undefined) throw new Error('no log');
    const ending = { ...log, window: { start: 0, end: Date.parse('2026-12-02') } };
    const trust = trustOf('tsa', { root: { ...root, certificateLogs: [ending] } });
    const remark = /^# Print this again after 2026-12-02T00:00:00Z: .*\/log\/.* ends then/m;
    for (const controller of ADMISSION_CONTROLLERS) {
      const text = admissionPolicy(controller, trust);
      if (controller === 'kubewarden') expect(text).not.to.match(remark);
      else expect(text, controller).to.match(remark);
    }
  });

  it('say what the controller does not judge by itself', () => {
    for (const [controller, remark] of [
      ['policy-controller', /^# .*label policy\.sigstore\.dev\/include=true/m],
      ['gatekeeper', /^# .*unless validatingWebhookFailurePolicy of its chart is Fail/m],
      ['gatekeeper', /^# Without them Ratify trusts the public Sigstore/m],
      ['ratify', /^# Without them Ratify trusts the public Sigstore/m],
      ['ratify', /^# .*At the switch to another log print this again/m],
      ['connaisseur', /^# .*At the switch to another log print this again/m],
      ['kubewarden', /^# .*from 1\.33 on/m],
    ] as const)
      expect(admissionPolicy(controller, trustOf('tsa')), controller).to.match(remark);
  });

  it('name versions of what they run', () => {
    for (const controller of ADMISSION_CONTROLLERS)
      expect(admissionPolicy(controller, trustOf('tsa')), controller).not.to.include(':latest');
  });

  it('for kyverno follow the TUF repository where there is one', () => {
    const tuf = { mirror: 'https://ca.example.com/tuf', root: utf8('{}') };
    const text = admissionPolicy('kyverno', trustOf('tsa', { tuf }));
    expect(at(text, '1.spec.attestors.0.cosign.tuf')).to.deep.equal({
      mirror: tuf.mirror,
      root: { data: 'e30=' },
    });
    expect(at(text, '1.spec.attestors.0.cosign.ctlog')).to.include({
      insecureIgnoreTlog: true,
      // It looks for one in the repository otherwise, which has none.
      rekorPubKey: encodePem(
        'PUBLIC KEY',
        trustOf('tsa').root.certificateLogs[0]?.publicKey ?? new Uint8Array(),
      ),
    });
    expect(parseAllDocuments(admissionPolicy('kyverno', trustOf('tsa')))).to.have.length(1);
  });

  it('for kyverno, following TUF, judge each list of containers, whenever one may change, and hold the digest', () => {
    const tuf = { mirror: 'https://ca.example.com/tuf', root: utf8('{}') };
    const text = admissionPolicy('kyverno', trustOf('tsa', { tuf }));
    const [rule] = at(text, '1.spec.matchConstraints.resourceRules') as Record<string, unknown>[];
    expect(rule?.['operations']).to.have.members(['CREATE', 'UPDATE']);
    expect(rule?.['resources']).to.have.members(['pods', 'pods/ephemeralcontainers']);
    expect(at(text, '1.spec.validationConfigurations')).to.deep.equal({
      mutateDigest: true,
      verifyDigest: true,
      required: true,
    });
    const expression = String(at(text, '1.spec.validations.0.expression'));
    const [, lists = '', test] = /^\((.*?)\)\.all\(image, (.*)\)$/.exec(expression) ?? [];
    expect(lists.split(' + ')).to.have.members(
      ['containers', 'initContainers', 'ephemeralContainers'].map((list) => `images.${list}`),
    );
    expect(test).to.equal('verifyImageSignatures(image, [attestors.mayfly]) > 0');
  });

  for (const controller of ADMISSION_CONTROLLERS) {
    it(`for ${controller} are not made for a name that it would not compare exactly`, async () => {
      const wide = ['', ' ', ...(controller === 'kyverno' ? ['*', '?', 'https://github.com/acme/*'] : [])];
      for (const name of wide)
        for (const over of [{ identity: name }, { issuer: name }]) {
          const error = await failureAs(AdmissionError, () =>
            admissionPolicy(controller, trustOf('tsa', over)),
          );
          expect(error.code, JSON.stringify(over)).to.equal('IDENTITY_NOT_EXACT');
        }
    });

    it(`for ${controller} are not made where no CA or no log is left to trust`, async () => {
      const { root } = trustOf('tsa');
      const end = <T>(all: readonly T[]): readonly (T & { window: { start: number; end: number } })[] =>
        all.map((one) => ({ ...one, window: { start: 0, end: NOW - 1 } }));
      const empty = [{ certificateAuthorities: [] }, { certificateLogs: [] }];
      const ended = [
        { certificateAuthorities: end(root.certificateAuthorities) },
        { certificateLogs: end(root.certificateLogs) },
      ];
      // Kubewarden gets what has ended too, with its window.
      for (const over of controller === 'kubewarden' ? empty : [...empty, ...ended]) {
        const trust = trustOf('tsa', { root: { ...root, ...over } });
        const error = await failureAs(AdmissionError, () => admissionPolicy(controller, trust));
        expect(error.code, Object.keys(over).join(',')).to.equal('NOTHING_TRUSTED');
      }
    });
  }

  it('leave out what has ended where a controller knows no windows, and say so', () => {
    const { root } = trustOf('tsa');
    const [log] = root.certificateLogs;
    if (log === undefined) throw new Error('no log');
    const ended = { ...log, baseUrl: 'https://ended.example.com/', window: { start: 0, end: NOW - 1 } };
    const trust = trustOf('tsa', { root: { ...root, certificateLogs: [...root.certificateLogs, ended] } });
    const text = admissionPolicy('policy-controller', trust);
    expect(text).to.not.contain('https://ended.example.com/');
    expect(text).to.match(/^# It cannot say until when .* \(1 of/m);
    expect(admissionPolicy('kyverno', trustOf('tsa'))).to.not.match(/cannot say until/);
  });

  it('say when an image is let in for ten minutes only', () => {
    const short = /only while its certificate is valid/;
    expect(admissionPolicy('kyverno', trustOf('ca-only'))).to.match(short);
    expect(admissionPolicy('ratify', trustOf('tsa'))).to.match(short);
    expect(admissionPolicy('kyverno', trustOf('tsa'))).to.not.match(short);
    expect(admissionPolicy('ratify', trustOf('rekor1'))).to.not.match(short);
  });

  it('do not let a name out of its comment', () => {
    const trust = trustOf('tsa', { identity: 'x\nkind: Namespace' });
    expect(admissionPolicy('kyverno', trust)).to.not.match(/^kind: Namespace/m);
  });
});
