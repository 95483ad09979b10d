import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A self-signed certificate of OpenSSL's making, as DER: an outside opinion on what a certificate looks like.
 * `newKey` and `extra` are arguments of `openssl req`, `config` further lines of the extension section. */
export function opensslCertificate(
  newKey: readonly string[],
  subject: string,
  config: readonly string[] = [],
  extra: readonly string[] = [],
): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-test-'));
  try {
    const file = (name: string): string => join(directory, name);
    const lines = [
      '[req]',
      'distinguished_name=dn',
      'x509_extensions=ext',
      '[dn]',
      '[ext]',
      'basicConstraints=critical,CA:TRUE',
      ...config,
    ];
    writeFileSync(file('cnf'), `${lines.join('\n')}\n`);
    const output = ['-keyout', file('key'), '-out', file('der'), '-outform', 'DER', '-config', file('cnf')];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-nodes',
        '-utf8',
        '-days',
        '30',
        '-subj',
        subject,
        '-newkey',
        ...newKey,
        ...output,
        ...extra,
      ],
      { stdio: 'pipe' },
    );
    return Uint8Array.from(readFileSync(file('der')));
  } finally {
    rmSync(directory, { recursive: true });
  }
}
