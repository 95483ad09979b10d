/** The private deployment that operators build of Sigstore's own programs: Fulcio, TesseraCT, rekor-tiles and timestamp-server, with the files that its clients are given. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodePem } from '../core/pem.ts';
import { noteKeyHash } from '../rekor/format/log-key-id.ts';
import { deployFulcio } from '../test/differential/fulcio-deployment.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { findFulcio } from './fulcio-program.ts';
import { githubProviderYaml } from './github-provider-yaml.ts';
import { findRekorTiles, startRekorTiles, type RunningRekorTiles } from './rekor-tiles.ts';
import { findTesseract, startTesseract } from './tesseract.ts';
import { findTimestampServer } from './timestamp-server.ts';
import { workFolder } from './work-folder.ts';

/** It runs. */
export interface StockStack {
  readonly trustedRoot: string;
  readonly signingConfig: string;
  close(): Promise<void>;
}

/** Starts it with what its programs do by default, trusting the issuer; undefined, with the reason logged, where one of them cannot be had. */
export async function startStockStack(
  issuer: string,
  core: number,
  log: (text: string) => void,
): Promise<StockStack | undefined> {
  const fulcio = findFulcio(log);
  const timestampServer = fulcio && findTimestampServer(log);
  const tesseract = timestampServer && findTesseract(log);
  const rekor = tesseract && findRekorTiles(log);
  if (rekor === undefined || tesseract === undefined || timestampServer === undefined || fulcio === undefined)
    return undefined;
  const folder = workFolder('stack');
  const deployed = await deployFulcio(folder, { fulcio, timestampServer }, githubProviderYaml(issuer), () =>
    startTesseract(tesseract, join(folder, 'root.pem')),
  );
  const tiles = await startRekorTiles(rekor, core);
  const trustedRoot = join(folder, 'trusted_root.json');
  const signingConfig = join(folder, 'signing_config.json');
  addLog(trustedRoot, tiles);
  writeFileSync(signingConfig, JSON.stringify(signingConfigOf(deployed, tiles)));
  return {
    trustedRoot,
    signingConfig,
    close: async () => {
      await Promise.all([deployed.close(), tiles.close()]);
    },
  };
}

const START = '2020-01-01T00:00:00Z';

const urlOf = ({ port }: RunningRekorTiles): string => `http://localhost:${port}`;

function addLog(trustedRoot: string, tiles: RunningRekorTiles): void {
  const json = JSON.parse(readFileSync(trustedRoot, 'utf8')) as Record<string, unknown>;
  const [block] = decodePem(readFileSync(tiles.publicKey, 'utf8'), 1);
  const spki = block?.bytes ?? new Uint8Array();
  const rawBytes = Buffer.from(spki).toString('base64');
  const publicKey = { rawBytes, keyDetails: 'PKIX_ED25519', validFor: { start: START } };
  const logId = { keyId: Buffer.from(noteKeyHash(sha256, 'localhost', spki)).toString('base64') };
  json['tlogs'] = [{ baseUrl: urlOf(tiles), hashAlgorithm: 'SHA2_256', publicKey, logId }];
  writeFileSync(trustedRoot, JSON.stringify(json));
}

function signingConfigOf(
  { fulcioUrl, timestampUrl }: { readonly fulcioUrl: string; readonly timestampUrl: string },
  tiles: RunningRekorTiles,
): unknown {
  const service = (url: string, majorApiVersion: number): unknown => ({
    url,
    majorApiVersion,
    validFor: { start: START },
    operator: 'bench',
  });
  return {
    mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
    caUrls: [service(fulcioUrl, 1)],
    rekorTlogUrls: [service(urlOf(tiles), 2)],
    tsaUrls: [service(`${timestampUrl}/api/v1/timestamp`, 1)],
    rekorTlogConfig: { selector: 'ANY' },
    tsaConfig: { selector: 'ANY' },
  };
}
