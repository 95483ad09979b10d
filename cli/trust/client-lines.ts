import { REKOR_KEY_FILE, SIGNING_CONFIG_FILE, TRUSTED_ROOT_FILE } from '../../trust/export.ts';
import { quoted, quotedPath } from '../../storage/quoted-path.ts';
import { invocation } from '../program/invocation.ts';

/** What was exported. */
interface Exported {
  readonly directory: string;
  readonly publicUrl: string;
  readonly hasTimestamps: boolean;
  /** Of a log of artifacts that clients use, with the version of its API. */
  readonly log:
    { readonly url: string; readonly majorApiVersion: number; readonly isOwn: boolean } | undefined;
}

/** How clients sign and verify with an exported directory: lines to paste, each of which ran with the program that it names. None posts to a log of others, as
 * clients do by default. */
export function clientLines(exported: Exported): readonly string[] {
  const { directory, publicUrl, hasTimestamps, log } = exported;
  const file = (name: string): string => quotedPath(`${directory}/${name}`);
  const who = '--certificate-identity NAME --certificate-oidc-issuer URL';
  const time = hasTimestamps ? ' --use-signed-timestamps' : '';
  const unlogged = log === undefined ? ` --insecure-ignore-tlog${time}` : '';
  const tsa = hasTimestamps ? ` tsaServerURL: '${publicUrl}',` : '';
  // The flags of older clients are those of Rekor v1.
  const own = log?.isOwn === true && log.majorApiVersion === 1 ? log.url : undefined;
  const [rekorKey, rekorUrl] =
    own === undefined
      ? ['', '--tlog-upload=false']
      : [` SIGSTORE_REKOR_PUBLIC_KEY=${file(REKOR_KEY_FILE)}`, `-y --rekor-url ${quoted(own)}`];
  const rekor = own === undefined ? 'tlogUpload: false' : `rekorURL: '${own}'`;
  return [
    'Sign with cosign 3 (TOKEN is a file with an identity token and nothing behind it), and verify:',
    `  cosign sign-blob -y --signing-config ${file(SIGNING_CONFIG_FILE)} --trusted-root ${file(TRUSTED_ROOT_FILE)} --identity-token TOKEN --bundle FILE.sigstore.json FILE`,
    `  cosign verify-blob --bundle FILE.sigstore.json --trusted-root ${file(TRUSTED_ROOT_FILE)}${unlogged} ${who} FILE`,
    'Sign with Mayfly itself:',
    `  ${invocation()} sign FILE --trust-config ${file('client_trust_config.json')}`,
    `  ${invocation()} verify bundle FILE.sigstore.json --artifact FILE --trusted-root ${file(TRUSTED_ROOT_FILE)} --identity NAME --issuer URL`,
    'Sign with cosign 2, which asks for the files by name:',
    `  SIGSTORE_ROOT_FILE=${file('chain.pem')} SIGSTORE_CT_LOG_PUBLIC_KEY_FILE=${file('log.pub.pem')}${rekorKey} cosign sign-blob ${rekorUrl} --fulcio-url ${quoted(publicUrl)} --identity-token TOKEN --output-certificate FILE.pem --output-signature FILE.sig FILE`,
    'Sign with sigstore-js:',
    `  sign(data, { fulcioURL: '${publicUrl}',${tsa} ${rekor}, identityToken })`,
    ...(hasTimestamps
      ? []
      : ['Without a timestamp authority, what is signed verifies for as long as its certificate is valid.']),
  ];
}
