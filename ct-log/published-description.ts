/** `log.v3.json` where readers have the log from a bucket, and not from the service. */
import { equalBytes, utf8, utf8Text } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import { VERSION } from '../core/version.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { DescribeLog } from '../tlog/log-kind.ts';
import { logV3Json, parseLogV3Json } from './format/log-v3-json.ts';
import type { CtLogIdentity } from './log-identity.ts';

/** What is known of how a log is served. */
export interface ServedAs {
  /** URL of the service, no slash at the end. */
  readonly publicUrl?: string | undefined;
  readonly intendedUse?: 'production' | 'test' | undefined;
}

/** Has the log of that identity describe itself with the URL below which the service serves it. What is not known of that stays as the log said it before in the same place; where it said nothing, it is served where its
 * origin says (static-ct-api, "Parameters"), and for production. */
export const describeCtLog =
  (identity: CtLogIdentity, { publicUrl, intendedUse }: ServedAs): DescribeLog =>
  (there, end) => {
    const before = there && servedBefore(identity, there);
    const fields = logV3Json({
      ...identity,
      url:
        publicUrl === undefined
          ? (before?.url ?? `https://${identity.origin}`)
          : `${publicUrl}/log/${identity.name}`,
      intendedUse: intendedUse ?? before?.intendedUse ?? 'production',
      software: { name: 'mayfly', version: VERSION },
      final: end,
    });
    return utf8(`${JSON.stringify(fields, undefined, 2)}\n`);
  };

/** Nothing for what is no description of this log. */
function servedBefore(
  { logId }: CtLogIdentity,
  there: Uint8Array,
): { readonly url: string | undefined; readonly intendedUse: ServedAs['intendedUse'] } | undefined {
  try {
    const text = utf8Text(there);
    if (!equalBytes(parseLogV3Json(sha256, text).logId, logId)) return undefined;
    const { monitoring_url: url, intended_use: use } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const isUrl = typeof url === 'string' && /^https?:\/\/[^\s"\\]{1,1000}$/.test(url);
    return {
      url: isUrl ? url : undefined,
      intendedUse: use === 'test' || use === 'production' ? use : undefined,
    };
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
