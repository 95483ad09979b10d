/** `mayfly trust export --for CONTROLLER`: trust and an example policy for an admission controller, on stdout. */
import { join } from 'node:path';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { isMissing, readWhole } from '../../storage/read-whole.ts';
import type { AdmissionTrust } from '../../trust/admission/admission-trust.ts';
import {
  admissionPolicy,
  TAKING_TIMESTAMPS,
  type AdmissionController,
} from '../../trust/admission/admission-policy.ts';
import { encodeClientTrustConfig } from '../../trust/format/signing-config.ts';
import { readTrust } from '../../trust/ledger.ts';
import { withPublicUrl } from '../../trust/public-urls.ts';
import { signingConfigOf } from '../../trust/signing-services.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { serviceUrls, type ServiceUrlOptions } from './service-urls.ts';

/** Its options. */
export interface AdmissionOptions extends ServiceUrlOptions {
  readonly data: string;
  readonly for: AdmissionController;
  readonly identity?: string;
  readonly issuer?: string;
  readonly allowUnlogged?: true;
}

/** Prints it. Rejects with the typed error of what is wrong. */
export async function printAdmissionPolicy(options: AdmissionOptions, speak: Speaker): Promise<undefined> {
  const { identity, issuer } = options;
  // Some controllers let everybody in for an empty name.
  if (identity === undefined || issuer === undefined || identity.trim() === '' || issuer.trim() === '')
    throw new CommandError('USAGE', '--for wants --identity and --issuer', {
      hint: 'They say whose signatures the example policy lets in: the name in the certificate, and the URL of the OpenID issuer.',
    });
  if (options.allowUnlogged && !TAKING_TIMESTAMPS.includes(options.for))
    throw new CommandError('USAGE', `--allow-unlogged has no meaning for ${options.for}`, {
      hint: `It has a timestamp taken in the place of an entry, and is for those that are known to take one: ${TAKING_TIMESTAMPS.join(', ')}. Have the images signed anew, with an entry.`,
    });
  const directory = await openDataDirectory(options.data);
  const trust = await readTrust(directory.paths);
  const urls = await serviceUrls(options, {
    paths: directory.paths,
    isDevelopment: directory.marker.mode === 'dev',
    trust,
    speak,
  });
  const root = withPublicUrl(trust.root, urls.publicUrl);
  const clientTrustConfig = encodeClientTrustConfig({
    trustedRoot: root,
    signingConfig: signingConfigOf(trust, urls),
  });
  const policy = admissionPolicy(options.for, {
    root,
    clientTrustConfig,
    publicUrl: urls.publicUrl,
    tuf: await tufOf(directory.paths.tuf, urls.publicUrl),
    identity,
    issuer,
    now: Date.now(),
    allowsUnlogged: options.allowUnlogged === true,
  });
  speak.answer({ controller: options.for, policy }, policy.trimEnd());
}

/** The TUF repository, where there is one; clients begin with its first root and follow it to the newest. */
async function tufOf(directory: string, publicUrl: string): Promise<AdmissionTrust['tuf']> {
  const file = join(directory, '1.root.json');
  return (await isMissing(file))
    ? undefined
    : { mirror: `${publicUrl}/tuf`, root: await readWhole(file, { size: 1024 * 1024 }) };
}
