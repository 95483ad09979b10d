/** Stock verifiers accept what is right with the exported files, and refuse each thing that is wrong, for its own reason. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { sign } from 'sigstore';
import {
  encodeTrustedRoot,
  parseTrustedRoot,
  type TrustedRoot,
  type Window,
} from '../../trust/format/trusted-root.ts';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { certified, newKey, stamped } from './support/kept-key.ts';
import { stockVerifiers, type Question, type StockVerifier, type VerifierName } from './support/verifiers.ts';

/** A bundle as sigstore-js writes it, as far as it is bent here. */
interface Bundle {
  verificationMaterial: {
    x509CertificateChain?: { certificates: { rawBytes: string }[] } | undefined;
    timestampVerificationData?: { rfc3161Timestamps: { signedTimestamp: string }[] } | undefined;
  };
  messageSignature?: { messageDigest?: unknown; signature: string } | undefined;
}

/** Bundles to choose from. */
interface Bundles {
  readonly right: Bundle;
  /** Of the same artifact, under another certificate. */
  readonly other: Bundle;
  /** Signed, and timestamped, with a key whose certificate had ended twenty minutes ago. */
  readonly late: Bundle;
  /** Signed, and timestamped, twenty minutes before there was a certificate for the key. */
  readonly early: Bundle;
}

/** What is wrong, and what each verifier says of it. */
interface Wrong {
  readonly trustedRoot?: (right: TrustedRoot, foreign: TrustedRoot) => TrustedRoot;
  readonly bundle?: (bundles: Bundles) => Bundle;
  readonly question?: Partial<Question>;
  readonly artifact?: string;
  /** The certificate is of the service's first run. */
  readonly isOfPast?: true;
  readonly says: Readonly<Record<'mayfly' | 'js' | 'python' | 'go', RegExp>>;
}

/** Whose words each of them says. */
const WORDS_OF = {
  mayfly: 'mayfly',
  'sigstore-js': 'js',
  'sigstore-python': 'python',
  'sigstore-go': 'go',
  cosign: 'go',
} as const;

/** The right bundle with the last byte of one of its values flipped, which is in a signature. */
const flippedAt =
  <Name extends string>(part: (bundle: Bundle) => Record<Name, string> | undefined, name: Name) =>
  ({ right }: Bundles): Bundle => {
    const bent = structuredClone(right);
    const holder = part(bent);
    if (holder === undefined) throw new Error(`the bundle has no ${name}`);
    const bytes = Buffer.from(holder[name], 'base64');
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
    Object.assign(holder, { [name]: bytes.toString('base64') });
    return bent;
  };

const LONG_AGO: Window = { start: 0, end: Date.parse('2026-01-01') };
const within = <T extends { readonly window: Window }>(entries: readonly T[], window: Window): T[] =>
  entries.map((entry) => ({ ...entry, window }));

const WRONG: Readonly<Record<string, Wrong>> = {
  'another root': {
    trustedRoot: (right, { certificateAuthorities }) => ({ ...right, certificateAuthorities }),
    says: {
      mayfly: /^refused: chain: /,
      js: /certificate chain/,
      python: /^refused: chain: .*signature does not match/,
      go: /leaf certificate verification failed/,
    },
  },
  'another log': {
    trustedRoot: (right, { certificateLogs }) => ({ ...right, certificateLogs }),
    says: {
      mayfly: /^refused: sct: /,
      js: /SCT verification failed/,
      python: /^refused: sct: .*invalid signature/,
      go: /verify signed certificate timestamp/,
    },
  },
  'another timestamp authority': {
    trustedRoot: (right, { timestampAuthorities }) => ({ ...right, timestampAuthorities }),
    says: {
      mayfly: /^refused: time: /,
      js: /timestamp could not be verified/,
      python: /^refused: timestamp/,
      go: /unable to verify signed timestamps: .*No certificate for signer/,
    },
  },
  'a timestamp of another signature': {
    bundle: ({ right, other }) => ({
      ...right,
      verificationMaterial: {
        ...right.verificationMaterial,
        timestampVerificationData: other.verificationMaterial.timestampVerificationData,
      },
    }),
    says: {
      mayfly: /^refused: timestamp: /,
      js: /timestamp could not be verified/,
      python: /^refused: timestamp/,
      go: /hashed messages don't match/,
    },
  },
  // sigstore-python looks at the windows of timestamp authorities alone, and trusts a CA or a log for ever.
  'a CA whose window ended before the timestamp': {
    trustedRoot: (right) => ({
      ...right,
      certificateAuthorities: within(right.certificateAuthorities, LONG_AGO),
    }),
    says: {
      mayfly: /^refused: chain: /,
      js: /certificate chain/,
      python: /^verified$/,
      go: /leaf certificate verification failed/,
    },
  },
  'a log whose window ended before the SCT': {
    trustedRoot: (right) => ({ ...right, certificateLogs: within(right.certificateLogs, LONG_AGO) }),
    says: {
      mayfly: /^refused: sct: /,
      js: /SCT verification failed/,
      python: /^verified$/,
      go: /verify signed certificate timestamp/,
    },
  },
  'a timestamp authority whose window ended before': {
    trustedRoot: (right) => ({
      ...right,
      timestampAuthorities: within(right.timestampAuthorities, LONG_AGO),
    }),
    says: {
      mayfly: /^refused: time: |^refused: timestamp: /,
      js: /timestamp could not be verified/,
      python: /^refused: timestamp/,
      go: /timestamp is after the validity period end/,
    },
  },
  'a removed timestamp': {
    bundle: ({ right }) => ({
      ...right,
      verificationMaterial: { ...right.verificationMaterial, timestampVerificationData: undefined },
    }),
    says: {
      mayfly: /^refused: time: 0 trusted/,
      js: /expected 1 timestamps, got 0/,
      python: /^refused: timestamp/,
      go: /threshold not met for verified signed timestamps/,
    },
  },
  "a signature of after the certificate's end": {
    bundle: ({ late }) => late,
    isOfPast: true,
    says: {
      mayfly: /^refused: chain: the certificate was valid until .*, no longer at/,
      js: /certificate chain/,
      python: /^refused: chain: .*not valid at validation time/,
      go: /leaf certificate verification failed/,
    },
  },
  'a signature of before the certificate': {
    bundle: ({ early }) => early,
    says: {
      mayfly: /^refused: chain: the certificate is valid from .*, not yet at/,
      js: /certificate chain/,
      python: /^refused: chain: .*not valid at validation time/,
      go: /leaf certificate verification failed/,
    },
  },
  'a flipped byte in the certificate': {
    bundle: flippedAt(
      (bundle) => bundle.verificationMaterial.x509CertificateChain?.certificates[0],
      'rawBytes',
    ),
    says: {
      mayfly: /^refused: chain: the signature of the CA/,
      js: /certificate chain/,
      python: /^refused: chain: .*signature does not match/,
      go: /leaf certificate verification failed/,
    },
  },
  'a flipped byte in the signature': {
    bundle: flippedAt((bundle) => bundle.messageSignature, 'signature'),
    says: {
      mayfly: /^refused: signature: .*timestamp: /,
      js: /timestamp could not be verified/,
      python: /^refused: timestamp/,
      go: /hashed messages don't match/,
    },
  },
  'a flipped byte in the timestamp': {
    bundle: flippedAt(
      (bundle) => bundle.verificationMaterial.timestampVerificationData?.rfc3161Timestamps[0],
      'signedTimestamp',
    ),
    says: {
      mayfly: /^refused: timestamp: the signature/,
      js: /timestamp could not be verified/,
      python: /^refused: timestamp/,
      go: /unable to verify signed timestamps: .*verification failure/,
    },
  },
  'another signature': {
    bundle: ({ right, other }) => ({ ...right, messageSignature: other.messageSignature }),
    // The timestamp is of the other one, too.
    says: {
      mayfly: /^refused: signature: .*timestamp: /,
      js: /timestamp could not be verified/,
      python: /^refused: timestamp/,
      go: /hashed messages don't match/,
    },
  },
  'another artifact': {
    artifact: 'what nobody signed',
    says: {
      mayfly: /^refused: signature: .*artifact: /,
      js: /signature verification failed/,
      python: /^refused: signature/,
      go: /failed to verify signature/,
    },
  },
  'another identity': {
    question: { identity: 'eve@example.com' },
    says: {
      mayfly: /^refused: identity: /,
      js: /certificate identity error/,
      python: /^refused: identity: .*SANs do not match/,
      go: /expected SAN value/,
    },
  },
  'another issuer': {
    question: { issuer: 'https://login.example.org' },
    says: {
      mayfly: /^refused: issuer: /,
      js: /invalid certificate extension - expected issuer/,
      python: /^refused: identity: .*OIDCIssuer does not match/,
      go: /expected issuer value/,
    },
  },
};

describe('judge: every verifier with the exported files', function () {
  this.timeout(600_000);
  let service: ExportedInstance;
  let verifiers: readonly StockVerifier[];
  let right: Question;
  let foreign: TrustedRoot;
  let bundles: Bundles;
  let folder: string | undefined;
  /** The development issuer has another port after each start. */
  let pastIssuer: string;

  const rootOf = async (file: string): Promise<TrustedRoot> => parseTrustedRoot(await readFile(file, 'utf8'));

  before(async () => {
    verifiers = await stockVerifiers();
    const other = await startExported();
    foreign = await rootOf(other.exported('trusted_root.json'));
    await other.stop();
    // Its clock is right only when it starts for the second time.
    folder = await mkdtemp(join(tmpdir(), 'mayfly-refused-'));
    const data = join(folder, 'data');
    const [ended, unborn] = [newKey(), newKey()];
    service = await startExported({ minutesAgo: 20, data });
    pastIssuer = service.issuerUrl;
    const artifact = await readFile(service.artifact);
    const past = await certified(service, ended, artifact);
    const unproven = await unborn.sign(artifact);
    const stampedBefore = (await stamped(service, unproven, artifact)) as Bundle;
    await service.stop();
    service = await startExported({ data });
    const signed = async (): Promise<Bundle> =>
      await sign(await readFile(service.artifact), {
        fulcioURL: service.url,
        tsaServerURL: service.url,
        tlogUpload: false,
        identityToken: await service.token(SIGNER),
      });
    const { key } = await certified(service, unborn, artifact);
    const early = (await stamped(service, { ...unproven, key }, artifact)) as Bundle;
    const { timestampVerificationData } = stampedBefore.verificationMaterial;
    bundles = {
      right: await signed(),
      other: await signed(),
      late: (await stamped(service, past, artifact)) as Bundle,
      early: {
        ...early,
        verificationMaterial: { ...early.verificationMaterial, timestampVerificationData },
      },
    };
    right = {
      trustedRoot: service.exported('trusted_root.json'),
      bundle: join(service.scratch, 'right.json'),
      artifact: service.artifact,
      identity: SIGNER,
      issuer: service.issuerUrl,
    };
    await writeFile(right.bundle, JSON.stringify(bundles.right));
  });

  after(async () => {
    await (service as ExportedInstance | undefined)?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const outcomes = async (question: Question): Promise<Record<string, string>> =>
    Object.fromEntries(
      await Promise.all(
        verifiers.map(async (verifier) => [verifier.name, await verifier.ask(question)] as const),
      ),
    );

  it('accept what is right', async () => {
    for (const [name, outcome] of Object.entries(await outcomes(right)))
      expect(outcome, name).to.equal('verified');
  });

  for (const [what, wrong] of Object.entries(WRONG))
    it(`refuse ${what}`, async () => {
      const question = { ...right, ...wrong.question };
      if (wrong.isOfPast === true) question.issuer = pastIssuer;
      if (wrong.trustedRoot !== undefined) {
        question.trustedRoot = join(service.scratch, 'wrong-root.json');
        const root = wrong.trustedRoot(await rootOf(right.trustedRoot), foreign);
        await writeFile(question.trustedRoot, encodeTrustedRoot(root));
      }
      if (wrong.bundle !== undefined) {
        question.bundle = join(service.scratch, 'wrong.json');
        await writeFile(question.bundle, JSON.stringify(wrong.bundle(bundles)));
      }
      if (wrong.artifact !== undefined) {
        question.artifact = join(service.scratch, 'wrong-artifact');
        await writeFile(question.artifact, wrong.artifact);
      }
      for (const [name, outcome] of Object.entries(await outcomes(question)))
        expect(outcome, name).to.match(wrong.says[WORDS_OF[name as VerifierName]]);
    });
});
