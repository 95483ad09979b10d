import { copyFile, cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { certificateLogPaths } from '../../../instance/data-paths.ts';
import { emailPrincipal } from '../../ca/support/principal.ts';
import { documentedBlocks, runBlock } from '../../support/documented-blocks.ts';
import { failureAs } from '../../support/failure.ts';
import { RenewableInstance, type SignedArtifact } from '../../trust/support/renewable-instance.ts';

describe('docs/incidents.md, "The whole directory is gone", to the letter', function () {
  this.timeout(360_000);
  let scratch: string;
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-whole-directory-'));
  });
  after(() => rm(scratch, { recursive: true }));

  const { san, issuer } = emailPrincipal();
  const run = (block: string, values: Readonly<Record<string, string>> = {}): Promise<string> =>
    runBlock(block, scratch, { '/var/lib/mayfly': 'data', '/run/secrets/mayfly': 'pass', ...values });
  const at = (name: string): string => join(scratch, name);
  const failure = async (work: Promise<unknown>): Promise<string> => {
    const { message, stdout } = (await failureAs(Error, work)) as Error & { stdout: string };
    return stdout + message;
  };

  it('believes what was logged when a head was kept, and nothing that a thief dates back', async () => {
    const [renew = '', end = '', verify = ''] = await documentedBlocks(
      'incidents.md',
      'The whole directory is gone',
    );
    const [prove = '', judge = ''] = verify.trim().split('\n');
    // The signatures here have timestamps and no entries.
    const bundle = judge.replace('verify bundle', 'verify bundle --min-entries 0');
    for (const name of ['pass', 'root-passphrase']) await writeFile(at(name), 'secret\n', { mode: 0o600 });
    await run('mayfly init --data data --root-key-out root.key.pem --origin localhost/log/2026');
    const ca = RenewableInstance.at(scratch, 'data');
    await writeFile(ca.paths.config, 'oidc-issuers: {}\nmayfly:\n  public-url: https://localhost\n');
    await run('mayfly trust export --data data --out trust-before');
    await copyFile(at('trust-before/root.pem'), at('root.pem'));
    await writeFile(at('app'), 'what is signed');

    const names = { 'you@example.com': san.value, 'https://accounts.example.com': issuer };
    const keep = async (signed: SignedArtifact, name: string): Promise<void> => {
      await writeFile(at(`${name}.sigstore.json`), JSON.stringify(signed.bundle));
    };
    const of = (name: string): Record<string, string> => ({
      ...names,
      'app.sigstore.json': `${name}.sigstore.json`,
      'cert.': `${name}.`,
    });
    await keep(await ca.sign(), 'honest');
    await copyFile(
      join(certificateLogPaths(ca.paths, '2026').directory, 'checkpoint'),
      at('kept.checkpoint'),
    );

    // The thief has a copy of all, and dates back: to before everything that anybody knew.
    await cp(ca.data, at('thief'), { recursive: true });
    await keep(await RenewableInstance.at(scratch, 'thief').sign(), 'evil');
    const proveEvil = prove.replace(/--head \S+/, '');
    await run(proveEvil, { ...of('evil'), '/var/lib/mayfly': 'thief' });
    const unbounded = bundle.replace(/ --head \S+/, '');
    expect(await run(unbounded, of('evil'))).to.contain('Verified');

    const shown = await run(renew.replace('ca.example.com', 'localhost'));
    const windows = [...shown.matchAll(/^(.*?) {2,}(?:in force|ended) +(\S+Z) .*\n +id (\S+)$/gm)].map(
      ([line, kind = '', start = '', id = '']) => ({ kind, start, id, line }),
    );
    const values: Record<string, string> = {};
    const place = (name: string, id: string, of: (line: string, kind: string) => boolean): void => {
      // The youngest stand first.
      const old = windows.filter(({ kind, line }) => of(line, kind)).at(-1);
      values[name] = old?.id ?? '';
      values[id] = old?.start ?? '';
    };
    place('CA_FINGERPRINT', 'CA_START', (_, kind) => kind === 'CA');
    place('LOG_ID', 'LOG_START', (_, kind) => kind === 'certificate log');
    place('TSA_FINGERPRINT', 'TSA_START', (_, kind) => kind === 'timestamp authority');
    place('V1_ID', 'V1_START', (line) => line.includes('(Rekor v1)') && line.includes('ended'));
    place('V2_ID', 'V2_START', (line) => line.includes('(Rekor v2)') && line.includes('ended'));
    await run(end, values);

    // By the new trust nothing old is believed, the honest neither: it is signed anew.
    for (const name of ['honest', 'evil']) {
      const byNew = unbounded.replace('trust-before', 'trust').replace(/ --proof \S+/, '');
      expect(await failure(run(byNew, of(name)))).to.contain('Not verified');
    }
    // By the old one and the kept head, what was there.
    await run(prove, of('honest'));
    expect(await run(bundle, of('honest'))).to.contain('under the head that was kept');
    expect(await failure(run(bundle, of('evil')))).to.match(
      /^FAILED +inclusion +(?:the kept head is older than the SCT|the proof is under a tree of 2 entries)/m,
    );
    expect(await failure(run(prove, { ...of('evil'), '/var/lib/mayfly': 'thief' }))).to.match(
      /has 1 entries, the certificate is entry 1/,
    );
    expect(await failure(run(bundle.replace(/ --proof \S+/, ''), of('evil')))).to.contain('none was given');
  });
});
