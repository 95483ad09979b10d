/** `mayfly verify`: the offline verifier. What a command needs is loaded when it runs. */
import { WITNESS_POLICY_OPTION } from '../log/witness-quorum.ts';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { action, CommandError, exitCodeOfJudge, type RegisterCommand } from '../program/command.ts';
import type { VerifyBundleOptions } from './verify-bundle.ts';
import type { VerifyCertificateOptions } from './verify-certificate.ts';
import type { VerifyTimestampOptions } from './verify-timestamp.ts';

const EXAMPLES = `
Nothing is asked of any network: the certificate, what is trusted (mayfly trust export) and, for inclusion, a
proof (mayfly log proof) are all that is read. Exit status: 0 every step passed, 1 one failed, 2 wrong
use or a file that cannot be used, 3 it could not be judged.

A trusted root says from when to when each CA and each log counts. A log must count at the time of the SCT; every CA of the chain
must count then, and at --at. Of a refusal the answer says whose fault it is: that of the certificate, of the policy (genuine,
but not what was asked for), of the trust (newer files may know the CA or the log), or, of a signing time that is still to come,
of the clock here.

A certificate says who held its key in its ten minutes. No signature is looked at here, and the key signs as well a year
later: only a trusted timestamp shows when a signature was made.

--deny names certificates that your team does not believe any more, by serial, name, issuer, CA key or time. The list must be
pinned (--deny-sha256) or signed (--deny-key); one that is missing, changed or expired is an error (2), never an empty list.

Examples:
  mayfly verify certificate cert.pem --trust trust --identity you@example.com --issuer https://accounts.example.com
  mayfly verify certificate cert.pem --trust trust --issuer https://token.actions.githubusercontent.com \\
    --identity-regexp 'https://github\\.com/our-org/.*'
  mayfly verify certificate cert.pem --trust trust --any-identity --proof cert.tlog-proof --require-inclusion
  mayfly verify certificate cert.pem --trust trust --identity you@example.com --issuer https://accounts.example.com \\
    --deny deny.json --deny-key team.pub.pem
  mayfly verify certificate cert.pem --trust trust --any-identity --at 2026-11-22T10:00:00Z --json
`;

const TIMESTAMP_EXAMPLES = `
Nothing is asked of any network. The chain of the authority is judged at the time of the timestamp, and the authority must be trusted then:
its end does not void what it signed before. Exit status: 0 every step passed, 1 one failed, 2 wrong use or a file that cannot be
used, 3 it could not be judged.

Examples:
  mayfly verify timestamp artifact.sig.tsr --artifact artifact.sig --trust trust
  mayfly verify timestamp answer.tsr --digest sha256:HEX --trust trusted_root.json
  mayfly verify timestamp answer.tsr --artifact data --nonce 0x1F3A --policy 1.3.6.1.4.1.57264.2 --trust trust --json
`;

const BUNDLE_EXAMPLES = `
Nothing is asked of any network. The signature must be over the artifact, and by a certificate for that identity, or by that key. When it was made is the word of
a trusted timestamp authority, or of a log that signs its time; never that of the signer, nor of the log of certificates. Every such time must lie
in the certificate's validity. A bundle without any is refused; with --at now it is judged at the present.

Entries of artifact logs (Rekor v1 and v2) must be about this very signature. Where the trusted root names such a log, one entry must be there
(--min-entries). Entries and timestamps of others do not count, and are named. Exit status: 0 every step passed, 1 one failed,
2 wrong use or a file that cannot be used, 3 it could not be judged.

Examples:
  mayfly verify bundle app.sigstore.json --artifact app --trusted-root trusted_root.json \\
    --identity you@example.com --issuer https://accounts.example.com
  mayfly verify bundle app.sigstore.json --digest sha256:HEX --trust trust --issuer https://token.actions.githubusercontent.com \\
    --identity-regexp 'https://github\\.com/our-org/.*' --extension source-repository-ref=refs/tags/v1
  mayfly verify bundle app.sigstore.json --artifact app --trust trust --key team.pub.pem
  mayfly verify bundle app.att.sigstore.json --artifact app --trust trust --any-identity \\
    --predicate-type https://slsa.dev/provenance/v1 --policy 'has(predicate.runDetails)'
`;

const HEAD =
  'checkpoint of the log of certificates that was kept: the certificate must be in that very tree, so --proof must be under it';

/** Adds the commands. */
export const register: RegisterCommand = (program) => {
  const group = program
    .command('verify')
    .summary('check what was issued, offline')
    .description('Check what was issued, from files alone.')
    .addHelpText('after', EXAMPLES);
  group
    .command('certificate')
    .summary('check a certificate step by step')
    .description(
      'Check a certificate: its use, its SCT, its chain at that time, whom it is for, and that the log has it.',
    )
    .argument(
      '<CERT>',
      'the certificate, PEM or DER; CA certificates behind it may lead to a trusted root; - for stdin',
    )
    .option(
      '--trust <path>',
      'directory of `trust export`, a trusted_root.json, or a client trust config of Sigstore',
    )
    .option('--trusted-root <path>', 'the same, as `verify bundle` calls it')
    .option('--identity <text>', 'the identity that the certificate must be for, exactly')
    .option('--issuer <url>', 'the OpenID issuer that must have vouched for it, exactly')
    .option(
      '--identity-regexp <expression>',
      'the same as an expression (RE2) that must cover the whole identity',
    )
    .option(
      '--issuer-regexp <expression>',
      'the same as an expression (RE2) that must cover the whole issuer',
    )
    .option('--any-identity', 'do not check whom the certificate is for')
    .option(
      '--at <time>',
      'RFC 3339 time at which the chain must have been valid; default is the time of the SCT',
    )
    .option('--proof <file>', 'inclusion proof (.tlog-proof) to check; - for stdin')
    .option('--head <file>', HEAD)
    .option('--require-inclusion', 'fail without an inclusion proof')
    .option(...WITNESS_POLICY_OPTION)
    .option('--deny <file>', 'list of what is not believed (JSON or YAML); needs one of the next two')
    .option('--deny-sha256 <hex>', 'SHA-256 that the list must have')
    .option('--deny-key <file>', 'public key (PEM) that must have signed the list')
    .option('--deny-signature <file>', 'that signature, raw or base64; default is FILE.sig beside the list')
    .option(
      '--json',
      'print {"ok":…,"fault":…,"at":…,"identity":…,"issuer":…,"steps":[…],"failed":[…],"skipped":[…],"notChecked":[…]}',
    )
    .addHelpText('after', EXAMPLES)
    .action(
      action<VerifyCertificateOptions>(
        async (...received) => (await import('./verify-certificate.ts')).verifyCertificateFile(...received),
        exitCodeOfJudge,
      ),
    );
  group
    .command('timestamp')
    .summary('check a timestamp of RFC 3161 step by step')
    .description(
      'Check a timestamp: what it is over, who signed it, and whether that was to be believed at its time.',
    )
    .argument(
      '<TIMESTAMP>',
      'the answer of the authority or the token in it, DER, base64 or PEM; - for stdin',
    )
    .option(
      '--trust <path>',
      'directory of `trust export`, a trusted_root.json, or a client trust config of Sigstore',
    )
    .option('--trusted-root <path>', 'the same, as `verify bundle` calls it')
    .option(
      '--artifact <file>',
      'what was timestamped; beside a signature that is the signature, in its raw bytes',
    )
    .option('--digest <digest>', 'or its digest: sha256:, sha384: or sha512: and hexadecimal')
    .option('--nonce <number>', 'the nonce of the request, in decimal or as 0x and hexadecimal')
    .option('--policy <oid>', 'the policy under which it must have been made')
    .option(
      '--json',
      'print {"ok":…,"fault":…,"time":…,"steps":[…],"failed":[…],"skipped":[…],"notChecked":[…]}',
    )
    .addHelpText('after', TIMESTAMP_EXAMPLES)
    .action(
      action<VerifyTimestampOptions>(
        async (...received) => (await import('./verify-timestamp.ts')).verifyTimestampFile(...received),
        exitCodeOfJudge,
      ),
    );
  registerBundle(group);
  suggestFor(group);
};

function registerBundle(group: CommandUnknownOpts): void {
  group
    .command('bundle')
    .summary('check a Sigstore bundle step by step')
    .description(
      'Check a Sigstore bundle: its signature, who made it and when, the entries of logs in it, and what an attestation says.',
    )
    .argument('<BUNDLE>', 'the bundle (version 0.1 to 0.3), as signing clients write it; - for stdin')
    .option('--artifact <file>', 'what was signed, or what an attestation is about; - for stdin')
    .option('--digest <digest>', 'or its digest: sha256:, sha384: or sha512: and hexadecimal')
    .option(
      '--trusted-root <path>',
      'a trusted_root.json, a client trust config, or a directory of `trust export`',
    )
    .option('--trust <path>', 'the same, as other commands call it')
    .option('--identity <text>', 'the identity that must have signed, exactly')
    .option('--issuer <url>', 'the OpenID issuer that must have vouched for it, exactly')
    .option(
      '--identity-regexp <expression>',
      'the same as an expression (RE2) that must cover the whole identity',
    )
    .option(
      '--issuer-regexp <expression>',
      'the same as an expression (RE2) that must cover the whole issuer',
    )
    .option('--any-identity', 'do not check who signed')
    .option(
      '--extension <name=value>',
      'what the certificate must say besides, exactly, e.g. source-repository-ref=refs/tags/v1; may be repeated',
      (value: string, before: readonly string[] | undefined) => [...(before ?? []), value],
    )
    .option('--key <file>', 'public key (PEM) that must have signed, in the place of an identity')
    .option(
      '--predicate-type <type>',
      'type that the predicate of an attestation must have: a URI, or a name that `mayfly attest` has',
    )
    .option('--policy <cel>', 'condition in CEL over `predicate` and `predicateType` that must hold')
    .option('--policy-file <file>', 'the same in a file')
    .option(
      '--min-entries <n>',
      'how many artifact logs must have it; default is 1 where the trusted root names one, else 0',
    )
    .option('--min-timestamps <n>', 'how many timestamp authorities must have seen it; default is 0')
    .option(
      '--min-scts <n>',
      '0 or 1: whether the certificate must carry an SCT; default is 1 where the trust names a log of certificates, else 0',
    )
    .option('--at <time>', '`now`: judge at the present where nothing trusted says when it was signed')
    .option(
      '--proof <file>',
      'proof (.tlog-proof) that the log of certificates has the certificate; - for stdin. Entries of artifact logs have theirs in the bundle, always checked',
    )
    .option('--head <file>', HEAD)
    .option(
      '--require-inclusion',
      'fail without such a proof, and with an entry that has no inclusion proof in the bundle (version 0.1)',
    )
    .option(
      '--allow-root-in-chain',
      'pass over a root among the certificates of the bundle, which is refused otherwise',
    )
    .option(
      '--witness-policy <file>',
      'demand the cosignatures of witnesses on the checkpoint of each entry: a policy (c2sp.org/tlog-policy) with their keys and the quorum',
    )
    .option('--deny <file>', 'list of what is not believed (JSON or YAML); needs one of the next two')
    .option('--deny-sha256 <hex>', 'SHA-256 that the list must have')
    .option('--deny-key <file>', 'public key (PEM) that must have signed the list')
    .option('--deny-signature <file>', 'that signature, raw or base64; default is FILE.sig beside the list')
    .option(
      '--json',
      'print {"ok":…,"fault":…,"artifact":…,"identity":…,"issuer":…,"extensions":…,"times":[…],"at":[…],"statement":…,"steps":[…],"failed":[…],"skipped":[…],"notChecked":[…]}',
    )
    .addHelpText('after', BUNDLE_EXAMPLES)
    .action(
      action<VerifyBundleOptions>(
        async (...received) => (await import('./verify-bundle.ts')).verifyBundleFile(...received),
        exitCodeOfJudge,
      ),
    );
}

/** Called last: what is allowed here would otherwise be allowed to the subcommands too. */
function suggestFor(group: CommandUnknownOpts): void {
  group
    .usage('[options] [command]')
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => {
      suggest(group);
    });
}

/** Answers `mayfly verify` with anything but a subcommand behind it, most often the certificate itself. Nothing of it
 * is repeated: it may be a secret in the wrong place. */
function suggest(group: CommandUnknownOpts): never {
  if (group.args.length === 0) group.help({ error: true });
  throw new CommandError('USAGE', 'the word after `verify` must say what to check', {
    hint: 'Give it: mayfly verify certificate CERT --trust DIR …, or: mayfly verify bundle BUNDLE …  See: mayfly verify --help',
  });
}
