/** What admission controllers of Kubernetes are given: whom to trust, in the form of each, and an example policy for one identity. */
import { stringify } from 'yaml';
import { rfc3339 } from '../../core/clock.ts';
import { authorityName, logName } from '../union.ts';
import { connaisseur } from './connaisseur.ts';
import { gatekeeper } from './gatekeeper.ts';
import { kubewarden } from './kubewarden.ts';
import { kyverno } from './kyverno.ts';
import { policyController } from './policy-controller.ts';
import { ratify } from './ratify.ts';
import {
  AdmissionError,
  withoutEnded,
  type AdmissionDocument,
  type AdmissionTrust,
} from './admission-trust.ts';

interface Controller {
  documents(trust: AdmissionTrust): readonly AdmissionDocument[];
  /** Whether it takes timestamps; without them, and without a Rekor, an image is let in while its certificate is valid. */
  readonly takesTimestamps: boolean;
  /** Whether what it is given says until when each is trusted. */
  readonly hasWindows: boolean;
  /** Characters that stand for others in the names that it compares. */
  readonly wildcards?: readonly string[];
}

/** Name of a controller → how it is served. */
const CONTROLLERS = {
  'policy-controller': { documents: policyController, takesTimestamps: true, hasWindows: false },
  kyverno: { documents: kyverno, takesTimestamps: true, hasWindows: false, wildcards: ['*', '?'] },
  gatekeeper: { documents: gatekeeper, takesTimestamps: false, hasWindows: false },
  connaisseur: { documents: connaisseur, takesTimestamps: false, hasWindows: false },
  ratify: { documents: ratify, takesTimestamps: false, hasWindows: false },
  kubewarden: { documents: kubewarden, takesTimestamps: true, hasWindows: true },
} as const satisfies Readonly<Record<string, Controller>>;

/** Which there are. */
export type AdmissionController = keyof typeof CONTROLLERS;

/** The names. */
export const ADMISSION_CONTROLLERS = Object.keys(CONTROLLERS) as readonly AdmissionController[];

/** Those that are known to take a timestamp in the place of an entry. */
export const TAKING_TIMESTAMPS: readonly AdmissionController[] = ['policy-controller', 'kyverno'];

/** The YAML documents for a controller, to be applied as they are or taken as an example. Throws {@link AdmissionError} where the controller
 * would let in others than the one identity: for a name that it does not compare exactly, and where no CA or no log is left to trust. */
export function admissionPolicy(controller: AdmissionController, given: AdmissionTrust): string {
  const served: Controller = CONTROLLERS[controller];
  const trust = given.allowsUnlogged === true ? withoutArtifactLogs(given) : given;
  requireExact('identity', trust.identity, served);
  requireExact('issuer', trust.issuer, served);
  requireTrust(served, trust);
  const remarks = [
    `Trusts ${trust.publicUrl}, and lets in images that ${oneLine(trust.identity)} signed, as ${oneLine(trust.issuer)} says.`,
    ...(given.allowsUnlogged === true
      ? ['It demands no entry in a log of artifacts: a timestamp says that an image was signed in time.']
      : []),
    ...warningsOf(served, trust),
  ];
  const documents = served
    .documents(trust)
    .map(({ remark, content }) => comment(remark) + stringify(content, { lineWidth: 0 }));
  return comment(remarks.join('\n')) + documents.join('---\n');
}

/** None of them demands an entry where no log is named. */
const withoutArtifactLogs = (trust: AdmissionTrust): AdmissionTrust => ({
  ...trust,
  root: { ...trust.root, artifactLogs: [] },
});

/** An empty name is compared with nothing by some of them. */
function requireExact(what: string, name: string, { wildcards = [] }: Controller): void {
  if (name.trim() === '') throw new AdmissionError('IDENTITY_NOT_EXACT', `the ${what} is empty`);
  const wide = wildcards.find((character) => name.includes(character));
  if (wide === undefined) return;
  throw new AdmissionError('IDENTITY_NOT_EXACT', `the ${what} ${JSON.stringify(name)} has a "${wide}"`, {
    hint: 'This controller takes it for any characters, and lets in others too. Name the one whose signatures count.',
  });
}

/** Given no CA or no log, some of them trust the public Sigstore instead. */
function requireTrust({ hasWindows }: Controller, trust: AdmissionTrust): void {
  const { certificateAuthorities, certificateLogs } = hasWindows ? trust.root : withoutEnded(trust);
  const missing = [
    ...(certificateAuthorities.length === 0 ? ['CA'] : []),
    ...(certificateLogs.length === 0 ? ['certificate log'] : []),
  ];
  if (missing.length === 0) return;
  throw new AdmissionError(
    'NOTHING_TRUSTED',
    `no ${missing.join(' and no ')} is left that a controller could trust`,
    {
      hint: 'Its time was ended. Put a successor in force, and print the policy then. Remove a policy that was applied before: it trusts what has ended.',
    },
  );
}

function warningsOf(controller: Controller, trust: AdmissionTrust): readonly string[] {
  const { takesTimestamps, hasWindows } = controller;
  const { root, now } = trust;
  const usable = hasWindows ? root : withoutEnded(trust);
  const ends = [
    ...[...root.certificateAuthorities, ...root.timestampAuthorities].map(
      (entry) => [authorityName(entry), entry] as const,
    ),
    ...[...root.certificateLogs, ...root.artifactLogs].map((entry) => [logName(entry), entry] as const),
  ].flatMap(
    ([
      name,
      {
        window: { end },
      },
    ]) => (end === undefined ? [] : [{ name, end }]),
  );
  const ended = ends.filter(({ end }) => end < now).length;
  const lacksTime =
    usable.artifactLogs.length === 0 && !(takesTimestamps && usable.timestampAuthorities.length > 0);
  return [
    ...(lacksTime
      ? [
          takesTimestamps
            ? 'There is no timestamp authority: an image is let in only while its certificate is valid, which is ten minutes.'
            : 'It does not take timestamps: without a Rekor, an image is let in only while its certificate is valid, which is ten minutes.',
        ]
      : []),
    ...(ended > 0 && !hasWindows
      ? [
          `It cannot say until when something is trusted: what has ended (${ended} of CAs, logs and authorities) is left out.`,
        ]
      : []),
    ...(hasWindows
      ? []
      : ends
          .filter(({ end }) => end >= now)
          .map(
            ({ name, end }) =>
              `Print this again after ${rfc3339(end)}: ${name} ends then, which the controller does not know.`,
          )),
  ];
}

const comment = (text: string | undefined): string =>
  text === undefined ? '' : text.replaceAll(/^/gm, '# ') + '\n';

/** A name may hold anything; a comment ends with its line. */
const oneLine = (text: string): string => JSON.stringify(text).slice(1, -1);
