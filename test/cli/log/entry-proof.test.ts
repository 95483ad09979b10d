/** `mayfly log proof` for entries of logs of artifacts: from a directory, and from services of both APIs. */
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { encodeBundle } from '../../../bundle/format/bundle-json.ts';
import { proof } from '../../../cli/log/log-proof.ts';
import { searchLogs } from '../../../cli/log/log-search.ts';
import { show } from '../../../cli/log/log-show.ts';
import { init } from '../../../cli/rekor/rekor-init.ts';
import { CommandError, type Speaker } from '../../../cli/program/command.ts';
import { fromHex, toBase64, toHex, utf8Text } from '../../../core/bytes.ts';
import { httpSource } from '../../../ct-log/http-source.ts';
import { logKeysAmong } from '../../../ct-log/log-keys.ts';
import { mirrorLog } from '../../../ct-log/mirror-log.ts';
import { parsePublicKey } from '../../../core/public-key.ts';
import { artifactLogPaths } from '../../../instance/artifact-logs.ts';
import { dataPaths } from '../../../instance/data-paths.ts';
import { openKey } from '../../../instance/open-key.ts';
import type { ArtifactLogIdentity } from '../../../rekor/log-identity.ts';
import { openArtifactLog } from '../../../rekor/open-artifact-log.ts';
import { redactEntries } from '../../../rekor/redact-entries.ts';
import { LogError, LogReadError } from '../../../tlog/core/log-error.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { parseCheckpoint } from '../../../tlog/format/checkpoint.ts';
import { verifyInclusion } from '../../../tlog/format/merkle-verify.ts';
import { encodeVkey, makeVkey } from '../../../tlog/format/vkey.ts';
import { parseTlogProof } from '../../../tlog/format/tlog-proof.ts';
import { EMPTY_TRUSTED_ROOT, encodeTrustedRoot } from '../../../trust/format/trusted-root.ts';
import { V1, V2 } from '../../rekor/format/support/rekor-vectors.ts';
import { rekorLog, type RekorLog } from '../../rekor/support/rekor-log.ts';
import { startV1Server, type V1Server } from '../../server/rekor/support/v1-server.ts';
import { startV2Server, type V2Server } from '../../server/rekor/support/v2-server.ts';
import { makeDataDirectory } from '../../support/data-directory.ts';
import { failureAs } from '../../support/failure.ts';
import { listener } from '../../trust/support/renewable-instance.ts';
import { bundleWorld, messageBundle } from '../../verify/bundle/support/bundle-world.ts';

const vectorsOf = (api: 1 | 2) =>
  (api === 1 ? V1 : V2).entries.filter(({ name }) => name !== 'rsa-key-with-wrong-details');

/** Whom verifiers of these logs trust. */
const rootOf = (...logs: readonly ArtifactLogIdentity[]): string =>
  encodeTrustedRoot({
    ...EMPTY_TRUSTED_ROOT,
    artifactLogs: logs.map(({ api, host, publicKey, logId }) => ({
      baseUrl: `https://${host}`,
      publicKey,
      keyDetails: api === 1 ? 'PKIX_ECDSA_P256_SHA_256' : 'PKIX_ED25519',
      window: { start: 0 },
      logId,
    })),
  });

describe('mayfly log proof, for entries of logs of artifacts', function () {
  this.timeout(60_000);
  let root: string;
  let facts: Record<string, unknown>;
  let notes: string[];
  const speak: Speaker = {
    ...listener(),
    note: (text) => notes.push(text),
    answer: (result) => (facts = { ...result }),
  };
  beforeEach(async () => {
    notes = [];
    root = await mkdtemp(join(tmpdir(), 'mayfly-entry-proof-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  /** Expects that the proof that was written is of that leaf, under a checkpoint of that origin. */
  const expectProof = (leafHash: string, origin: string): void => {
    const { index, path, checkpoint } = parseTlogProof(Buffer.from(facts['proof'] as string));
    const { size, root: treeRoot, origin: own } = parseCheckpoint(checkpoint);
    expect(own).to.equal(origin);
    const entry = { leafHash: fromHex(leafHash), index, size };
    expect(verifyInclusion(sha256, entry, path, treeRoot)).to.equal(true);
    expect(facts).to.include({ index, size, leafHash: toBase64(fromHex(leafHash)) });
  };

  /** The file of a bundle about the vector, as an entry of that log. */
  const bundleOf = async (api: 1 | 2, logId: Uint8Array, logIndex: number): Promise<string> => {
    const { canonicalizedBody } = vectorsOf(api)[logIndex - 1] ?? { canonicalizedBody: '' };
    const { apiVersion: version, kind } = JSON.parse(canonicalizedBody) as {
      apiVersion: string;
      kind: string;
    };
    const entry = {
      logIndex,
      logId,
      kind,
      version,
      integratedTime: 0,
      promise: undefined,
      proof: undefined,
      body: Buffer.from(canonicalizedBody),
    };
    const path = join(root, 'a.sigstore.json');
    await writeFile(path, encodeBundle({ ...messageBundle({}, bundleWorld()), entries: [entry] }));
    return path;
  };

  /** The file of a policy with one witness, which nobody knows. */
  const policyOf = async (quorum: string): Promise<string> => {
    const path = join(root, `policy-${quorum}`);
    const witness = makeVkey(sha256, 'w.example.org', 'cosignature', randomBytes(32));
    await writeFile(path, `witness w ${encodeVkey(witness)}\nquorum ${quorum}\n`);
    return path;
  };

  describe('in a directory', () => {
    let data: string;
    beforeEach(async () => {
      data = join(root, 'data');
      await makeDataDirectory(data, {
        config: 'oidc-issuers: {}\nmayfly: {public-url: "https://ca.example.org"}\n',
      });
      await init({ data }, listener());
    });
    const filled = async (api: 1 | 2): Promise<ArtifactLogIdentity> => {
      const { directory, key } = artifactLogPaths(dataPaths(data), api);
      const log = await openArtifactLog({
        directory,
        signer: await openKey(key),
        clock: Date.now,
      });
      for (const { canonicalizedBody } of vectorsOf(api))
        await log.add({ body: Buffer.from(canonicalizedBody), namedDigests: [] });
      await log.close();
      return log.identity;
    };

    for (const api of [1, 2] as const)
      it(`finds an entry of v${api} by index, leaf hash, UUID and bundle, and proves also one that is redacted`, async () => {
        const identity = await filled(api);
        const { origin, logId } = identity;
        const leafHash = vectorsOf(api)[2]?.leafHash ?? '';
        const which = { data, [`v${api}`]: true };
        const uuid = (identity.treeId ?? 0n).toString(16).padStart(16, '0') + leafHash;
        for (const entry of ['3', leafHash, leafHash.toUpperCase(), uuid]) {
          await proof({ ...which, entry }, speak, []);
          expectProof(leafHash, origin);
          expect(facts).to.include({ api: `v${api}`, logIndex: 3 });
        }
        const bundle = await bundleOf(api, logId, 3);
        const trust = join(root, 'trusted_root.json');
        await writeFile(trust, rootOf(identity));
        await proof({ data, trust }, speak, [bundle]);
        expectProof(leafHash, origin);
        const out = join(root, 'a.tlog-proof');
        await proof({ data, out }, speak, [bundle]);
        expect(utf8Text(await readFile(out))).to.match(/^c2sp\.org\/tlog-proof@v1\nindex 3\n/);

        const redaction = {
          index: 3,
          leafHash: fromHex(leafHash),
          redactedAt: 0,
          reason: 'x',
          isAudited: true,
        };
        await redactEntries(artifactLogPaths(dataPaths(data), api).directory, identity, [redaction]);
        await proof({ data }, speak, [bundle]);
        expectProof(leafHash, origin);
      });

    it('is held to the policy that names witnesses, and proves nothing under a checkpoint that lacks their cosignatures', async () => {
      const identity = await filled(2);
      await proof({ data, v2: true, entry: '3', witnessPolicy: await policyOf('none') }, speak, []);
      expectProof(vectorsOf(2)[2]?.leafHash ?? '', identity.origin);
      const asked = { data, v2: true, entry: '3', witnessPolicy: await policyOf('w') };
      const trust = join(root, 'trusted_root.json');
      await writeFile(trust, rootOf(identity));
      facts = {};
      for (const options of [asked, { ...asked, trust }]) {
        const error = await failureAs(LogError, proof(options, speak, []));
        expect(error.code).to.equal('LOG_CORRUPT');
        expect(error.message).to.match(/lacks the quorum w of the policy: no cosignature of w$/);
      }
      expect(facts).to.deep.equal({});
    });

    it('says what it does not have, what is not said, and that the log is not the trusted one', async () => {
      const { logId } = await filled(2);
      const notThere = async (options: object, file?: string): Promise<string> =>
        (await failureAs(LogReadError, proof({ data, ...options }, speak, file === undefined ? [] : [file])))
          .code;
      expect(await notThere({ v2: true, entry: '99' })).to.equal('NOT_FOUND');
      expect(await notThere({ v2: true, entry: '0'.repeat(64) })).to.equal('NOT_FOUND');
      expect(await notThere({}, await bundleOf(2, Buffer.alloc(32), 1))).to.equal('NOT_FOUND');
      const bundle = await bundleOf(2, logId, 1);
      const refusal = async (options: object, file?: string): Promise<string> =>
        (await failureAs(CommandError, proof({ data, ...options }, speak, file === undefined ? [] : [file])))
          .code;
      expect(await refusal({})).to.equal('USAGE');
      expect(await refusal({ entry: '1' })).to.equal('USAGE');
      expect(await refusal({ entry: '1', v2: true }, bundle)).to.equal('USAGE');
      expect(await refusal({ entry: 'x', v2: true })).to.equal('USAGE');
      expect(await refusal({ v1: true }, bundle)).to.equal('USAGE');
      expect(await refusal({ url: 'http://127.0.0.1:1' }, bundle)).to.equal('USAGE');
      const other = await rekorLog(2);
      const trust = join(root, 'trusted_root.json');
      await writeFile(trust, rootOf(other.identity));
      await other.remove();
      expect(await refusal({ trust }, bundle)).to.equal('FAILED');
    });
  });

  describe('of a service', () => {
    let served: V1Server | V2Server;
    let front: Server;
    let url: string;
    let trusted: string;
    /** What the service answers otherwise. */
    let spoil: (path: string, bytes: Buffer) => Buffer;
    /** The service of the log in use of the second API, where that is another one. */
    let inUse: V2Server | undefined;
    const start = async (api: 1 | 2, made?: RekorLog): Promise<RekorLog> => {
      spoil = (_, bytes) => bytes;
      served = await (api === 1 ? startV1Server(made && { made }) : startV2Server(made && { made }));
      if (made === undefined)
        for (const { canonicalizedBody } of vectorsOf(api))
          await served.log.add({ body: Buffer.from(canonicalizedBody), namedDigests: [] });
      trusted = rootOf(served.made.identity);
      front = createServer((request, response) => {
        const path = request.url ?? '';
        if (path === '/trust/trusted_root.json') return void response.end(trusted);
        const { url: from } = path.startsWith('/api/v2/') ? (inUse ?? served) : served;
        return void fetch(from + path).then(async (answer) => {
          response.statusCode = answer.status;
          response.end(spoil(path, Buffer.from(await answer.arrayBuffer())));
        });
      });
      await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
      url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
      return served.made;
    };
    afterEach(async () => {
      front.closeAllConnections();
      await new Promise((resolve) => front.close(resolve));
      await served.stop();
      await inUse?.stop();
      inUse = undefined;
    });

    it('proves an entry of a log for Rekor v2 that another one followed, and says of one that is not there that it is not', async () => {
      const { identity } = await start(2);
      inUse = await startV2Server();
      trusted = rootOf(identity, inUse.made.identity);
      await proof({ url }, speak, [await bundleOf(2, identity.logId, 2)]);
      expectProof(vectorsOf(2)[1]?.leafHash ?? '', identity.origin);
      const bundle = await bundleOf(2, sha256(identity.logId), 2);
      expect((await failureAs(CommandError, proof({ url }, speak, [bundle]))).code).to.equal('FAILED');
    });

    for (const api of [1, 2] as const)
      it(`proves an entry of v${api} with the keys of --trust, and with those that the service names, and says so`, async () => {
        const { identity } = await start(api);
        const leafHash = vectorsOf(api)[1]?.leafHash ?? '';
        const trust = join(root, 'trusted_root.json');
        await writeFile(trust, trusted);
        const which = { url, [`v${api}`]: true };
        await proof({ ...which, entry: '2', trust }, speak, []);
        expectProof(leafHash, identity.origin);
        expect(notes.filter((note) => note.includes('own word'))).to.deep.equal([]);
        await proof({ url }, speak, [await bundleOf(api, identity.logId, 2)]);
        expectProof(leafHash, identity.origin);
        expect(notes.join('\n')).to.include("server's own word");
        if (api === 1) {
          await proof({ ...which, entry: leafHash }, speak, []);
          expectProof(leafHash, identity.origin);
        } else
          expect(
            (await failureAs(CommandError, proof({ ...which, entry: leafHash }, speak, []))).code,
          ).to.equal('USAGE');
        expect((await failureAs(LogReadError, proof({ ...which, entry: '99' }, speak, []))).code).to.equal(
          'NOT_FOUND',
        );
      });

    it('has a mirror of a log for Rekor v2 searched, shown and proven, also one that withholds an entry', async () => {
      const made = await rekorLog(2);
      const log = await made.open();
      for (const { canonicalizedBody } of vectorsOf(2))
        await log.add({ body: Buffer.from(canonicalizedBody), namedDigests: [] });
      await log.close();
      const [, , third] = vectorsOf(2);
      const withheld = fromHex(third?.leafHash ?? '');
      const redaction = { index: 3, leafHash: withheld, redactedAt: 0, reason: 'x', isAudited: true };
      await redactEntries(made.directory, made.identity, [redaction]);
      const { identity } = await start(2, made);
      const { origin, publicKey, logId } = identity;
      const raw = parsePublicKey(publicKey);
      const keys = raw.type === 'ed25519' ? logKeysAmong([makeVkey(sha256, origin, 'ed25519', raw.key)]) : [];
      const record = { origin, bundle: 'entries', keys } as const;
      const http = httpSource(`${served.url}/api/v2`);
      const source = { ...http, description: () => http.get('log.v3.json') };
      const data = join(root, 'copy');
      const mirrored = await mirrorLog({ source, record, out: data, parallel: 2 });
      expect(mirrored).to.deep.include({ withheld: 1 });
      const { size } = mirrored.head;

      const leafHash = vectorsOf(2)[1]?.leafHash ?? '';
      const trust = join(root, 'trusted_root.json');
      await writeFile(trust, trusted);
      for (const more of [{ entry: '2' }, { entry: leafHash }, { entry: '2', v2: true, trust }]) {
        await proof({ data, ...more }, speak, []);
        expectProof(leafHash, origin);
      }
      await proof({ data }, speak, [await bundleOf(2, logId, 2)]);
      expectProof(leafHash, origin);
      await proof({ data, entry: '3' }, speak, []);
      expectProof(toHex(withheld), origin);
      const elsewhere = await bundleOf(2, sha256(logId), 2);
      expect((await failureAs(LogReadError, proof({ data }, speak, [elsewhere]))).code).to.equal('NOT_FOUND');
      const foreign = await rekorLog(2);
      await writeFile(trust, rootOf(foreign.identity));
      await foreign.remove();
      const asked = proof({ data, entry: '2', trust }, speak, []);
      expect((await failureAs(CommandError, asked)).code).to.equal('FAILED');

      await show({ data }, speak, ['2']);
      const { digests } = facts;
      expect(facts).to.deep.include({ origin, size, index: 2, leafHash: toBase64(fromHex(leafHash)) });
      await show({ data }, speak, ['3']);
      expect(facts).to.deep.include({ index: 3, redacted: true, leafHash: toBase64(withheld) });

      const hits: unknown[] = [];
      const collecting: Speaker = {
        ...speak,
        record: (one) => Promise.resolve(hits.push(one['index']) > 0),
      };
      const [digest = ''] = digests as string[];
      await searchLogs({ data, digest }, collecting);
      expect(hits).to.include(2).and.not.to.include(3);
      expect(notes.at(-1)).to.include('but for 1 redacted entry that may be one');
      hits.length = 0;
      await searchLogs({ data, digest: '0'.repeat(64) }, collecting);
      expect(hits).to.deep.equal([]);
    });

    it('proves a redacted entry of v1 by what the refusal has of it', async () => {
      const made = await rekorLog(1);
      const [first, second] = vectorsOf(1);
      const log = await made.open();
      for (const one of [first, second])
        await log.add({ body: Buffer.from(one?.canonicalizedBody ?? ''), namedDigests: [] });
      await log.close();
      const leafHash = fromHex(second?.leafHash ?? '');
      const redaction = { index: 2, leafHash, redactedAt: 0, reason: 'x', isAudited: true };
      await redactEntries(made.directory, made.identity, [redaction]);
      const { identity } = await start(1, made);
      const bundle = await bundleOf(1, identity.logId, 2);
      const asks = [
        () => proof({ url, v1: true, entry: '2' }, speak, []),
        () => proof({ url, v1: true, entry: toHex(leafHash) }, speak, []),
        () => proof({ url }, speak, [bundle]),
      ];
      for (const ask of asks) {
        await ask();
        expectProof(toHex(leafHash), identity.origin);
      }
      spoil = (path, bytes) =>
        path.includes('/entries')
          ? Buffer.from(bytes.toString().replace(toHex(leafHash), first?.leafHash ?? ''))
          : bytes;
      for (const ask of asks) expect((await failureAs(LogError, ask())).code).to.equal('LOG_CORRUPT');
      // As versions before answered.
      spoil = (path, bytes) =>
        path.includes('/entries') ? Buffer.from('{"code":410,"message":"x"}') : bytes;
      for (const ask of asks) {
        const { code, message } = await failureAs(CommandError, ask());
        expect([code, message]).to.deep.equal([
          'FAILED',
          'the service says that the entry is redacted, and not how it is proven',
        ]);
      }
    });

    it('writes no proof of what it was not asked for, under a key that is not trusted, or of a spoilt answer (v1)', async () => {
      const { identity } = await start(1);
      const [first, second] = vectorsOf(1);
      const ask = (entry: string): Promise<unknown> => proof({ url, v1: true, entry }, speak, []);
      spoil = (path, bytes) => {
        if (path.includes('/entries'))
          return Buffer.from(bytes.toString().replace(/"hashes":\["[0-9a-f]{4}/, '"hashes":["0000'));
        return bytes;
      };
      expect((await failureAs(LogError, ask('2'))).code).to.equal('LOG_CORRUPT');
      const answer = await fetch(`${served.url}/api/v1/log/entries/${second?.leafHash}`);
      const other = Buffer.from(await answer.arrayBuffer());
      spoil = () => other;
      expect((await failureAs(LogError, ask(first?.leafHash ?? ''))).message).to.include('another entry');
      spoil = (_, bytes) => bytes;
      trusted = rootOf({ ...identity, host: 'elsewhere.example' });
      expect((await failureAs(CommandError, ask('2'))).code).to.equal('FAILED');
      const foreign = await rekorLog(1);
      trusted = rootOf(foreign.identity);
      await foreign.remove();
      expect((await failureAs(CommandError, ask('2'))).code).to.equal('FAILED');
    });

    it('writes none of a spoilt tile or checkpoint, or under the entry of another body (v2)', async () => {
      const { identity } = await start(2);
      const ask = (): Promise<unknown> => proof({ url, v2: true, entry: '2' }, speak, []);
      spoil = (path, bytes) => {
        if (path.includes('tile/0/')) bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40);
        return bytes;
      };
      expect((await failureAs(LogError, ask())).code).to.equal('LOG_CORRUPT');
      spoil = (path, bytes) => {
        if (path.includes('checkpoint'))
          bytes.writeUInt8(bytes.readUInt8(bytes.length - 8) ^ 1, bytes.length - 8);
        return bytes;
      };
      expect(
        await ask().then(
          () => undefined,
          (error: unknown) => (error as Error).name,
        ),
      ).to.be.oneOf(['LogError', 'FormatError']);
      spoil = (_, bytes) => bytes;
      const bundle = await bundleOf(2, identity.logId, 2);
      const moved = (await readFile(bundle, 'utf8')).replace('"logIndex":"2"', '"logIndex":"3"');
      await writeFile(bundle, moved);
      expect((await failureAs(LogError, proof({ url }, speak, [bundle]))).message).to.include(
        'another entry',
      );
      expect(toHex(identity.logId)).to.have.length(64);
    });
  });
});
