import { readTrust, type TrustPlaces } from '../ledger.ts';
import { withPublicUrl } from '../public-urls.ts';
import { signingConfigOf, type ServiceUrls } from '../signing-services.ts';
import { sigstoreTargets } from './sigstore-targets.ts';
import type { TargetContents } from './target-contents.ts';

/** What the clients of an instance should fetch now: what `mayfly trust export` writes, as TUF targets. `now` in milliseconds since the epoch.
 * Rejects with TrustError or LogError. */
export async function instanceTargets(
  places: TrustPlaces,
  urls: ServiceUrls,
  now: number,
): Promise<TargetContents> {
  const trust = await readTrust(places);
  return sigstoreTargets(withPublicUrl(trust.root, urls.publicUrl), signingConfigOf(trust, urls), now);
}
