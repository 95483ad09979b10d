import { access, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { renew as renewAuthority } from '../../../cli/ca/ca-renew.ts';
import { changePassphrase } from '../../../cli/instance/keys.ts';
import { freeze as freezeLog } from '../../../cli/log/log-freeze.ts';
import { rotate as rotateLog } from '../../../cli/log/log-rotate.ts';
import { CommandError } from '../../../cli/program/command.ts';
import { freeze as freezeArtifacts } from '../../../cli/rekor/rekor-freeze.ts';
import { init as initArtifacts } from '../../../cli/rekor/rekor-init.ts';
import { rotate as rotateArtifacts } from '../../../cli/rekor/rekor-rotate.ts';
import { init as initTimestamps } from '../../../cli/tsa/tsa-init.ts';
import { renew as renewTimestamps } from '../../../cli/tsa/tsa-renew.ts';
import { artifactLogPaths } from '../../../instance/artifact-logs.ts';
import { certificateLogPaths, dataPaths, type DataPaths } from '../../../instance/data-paths.ts';
import { endedArtifactLog } from '../../../rekor/end-artifact-log.ts';
import { makeDataDirectory } from '../../support/data-directory.ts';
import { failureAs } from '../../support/failure.ts';
import { listener } from '../../trust/support/renewable-instance.ts';

describe('commands on a directory whose configuration names keys', () => {
  let root: string;
  let data: string;
  let paths: DataPaths;
  const speak = listener();

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-named-keys-'));
    data = join(root, 'data');
    paths = dataPaths(data);
    await makeDataDirectory(data);
  });
  afterEach(() => rm(root, { recursive: true }));

  const name = (keys: string): Promise<void> =>
    writeFile(
      paths.config,
      `oidc-issuers: {}\nmayfly: {public-url: "https://ca.example.org", keys: ${keys}}\n`,
    );

  /** It is refused for that setting, and no key comes of it. */
  async function refuses(setting: string, command: () => Promise<unknown>): Promise<void> {
    const before = await readdir(paths.keys);
    const { code, message, hint } = await failureAs(CommandError, command());
    expect([code, message]).to.satisfy(
      ([is, says]: [string, string]) => is === 'REFUSED' && says.includes(`mayfly.keys.${setting} names`),
    );
    expect(hint).to.include('docs/signers.md');
    expect(await readdir(paths.keys)).to.deep.equal(before);
  }

  it('make and replace no key of the CA or for timestamps that is elsewhere, and leave no file', async () => {
    const csr = join(root, 'request.pem');
    await name('{ca: "openbao://ca"}');
    await rm(paths.intermediateKey);
    for (const step of [{ csr }, { stage: 'chain.pem' }, { install: 'chain.pem' }, { switch: true } as const])
      await refuses('ca', () => renewAuthority({ data, ...step }, speak));
    await name('{ca-next: "openbao://next"}');
    await refuses('ca-next', () => renewAuthority({ data, csr }, speak));
    await name('{timestamps: "openbao://tsa"}');
    await refuses('timestamps', () => initTimestamps({ data, csr }, speak));
    await mkdir(dirname(paths.timestampChain), { recursive: true });
    await writeFile(paths.timestampChain, 'there');
    for (const step of [{ csr }, { stage: 'chain.pem' }, { switch: true } as const])
      await refuses('timestamps', () => renewTimestamps({ data, ...step }, speak));
  });

  it('make keys for timestamps and logs where that of the CA alone is elsewhere', async () => {
    await name('{ca: "openbao://ca"}');
    await rm(paths.intermediateKey);
    await initTimestamps({ data, csr: join(root, 'request.pem') }, speak);
    await access(paths.timestampKey);
    await initArtifacts({ data }, speak);
    await rotateArtifacts({ data, v2: true, stage: true }, speak);
    await access(artifactLogPaths(paths, 2, 2).key);
  });

  it('have no passphrase to change where no key is in a file', async () => {
    const newPassphraseFile = join(root, 'new');
    await writeFile(newPassphraseFile, 'new', { mode: 0o600 });
    await changePassphrase({ data, newPassphraseFile }, speak);
    for (const file of await readdir(paths.keys)) await rm(join(paths.keys, file));
    const { code, message } = await failureAs(
      CommandError,
      changePassphrase({ data, newPassphraseFile }, speak),
    );
    expect([code, message]).to.deep.equal(['REFUSED', `${data} has no key file: nothing was changed`]);
  });

  it('take what is not named for a file, and a key that is named by its own file, too', async () => {
    await name(`{ca: "${paths.intermediateKey}"}`);
    await renewAuthority({ data, csr: join(root, 'request.pem') }, speak);
    await access(paths.nextIntermediateKey);
    await rm(paths.config);
    await renewAuthority({ data, csr: join(root, 'again.pem') }, speak);
  });

  it('end a log with the keys that are named, and stage the next one without them', async () => {
    const log = certificateLogPaths(paths, '2026');
    const [ecdsa, ed25519] = [join(root, 'a.pem'), join(root, 'b.pem')];
    await rename(log.ecdsaKey, ecdsa);
    await rename(log.ed25519Key, ed25519);
    await name(`{logs: {"2026": {ecdsa: "${ecdsa}", ed25519: "${ed25519}"}}}`);
    await rotateLog({ data, stage: true, origin: 'localhost/log/next' }, speak);
    await access(certificateLogPaths(paths, 'next').ecdsaKey);
    await freezeLog({ data, confirm: 'localhost/log/2026', log: '2026' }, speak);
  });

  it('make no log of artifacts whose key is named, and end one with that key', async () => {
    const { key, directory } = artifactLogPaths(paths, 2);
    const moved = join(root, 'moved.pem');
    await name(`{artifact-logs: {v2: "${moved}"}}`);
    await refuses('artifact-logs.v2', () => initArtifacts({ data }, speak));
    await name('{}');
    await initArtifacts({ data }, speak);
    await rename(key, moved);
    await name(`{artifact-logs: {v2: "${moved}", v2-2: "openbao://next"}}`);
    await refuses('artifact-logs.v2-2', () => rotateArtifacts({ data, v2: true, stage: true }, speak));
    await name(`{artifact-logs: {v2: "${moved}"}}`);
    await rotateArtifacts({ data, v2: true, stage: true }, speak);
    await refuses('artifact-logs.v2', () => rotateArtifacts({ data, v2: true, switch: true }, speak));
    await freezeArtifacts({ data, v2: true, confirm: 'ca.example.org' }, speak);
    expect(await endedArtifactLog(directory)).not.to.equal(undefined);
    await rotateArtifacts({ data, v2: true, switch: true }, speak);
  });
});
