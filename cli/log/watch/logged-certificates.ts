/** Whether certificates that signatures were made with are in the certificate logs, the former ones, too. */
import { setTimeout as delay } from 'node:timers/promises';
import { toHex } from '../../../core/bytes.ts';
import { findExtension, parseCertificate } from '../../../core/certificate.ts';
import { FormatError } from '../../../core/errors.ts';
import { parseLeafIndex } from '../../../ct-log/format/leaf-index.ts';
import { parseSct, parseSctList, SCT_LIST_OID, type Sct } from '../../../ct-log/format/sct.ts';
import { loggedTbs } from '../../../ct-log/logged-tbs.ts';
import { proveCertificate } from '../../../ct-log/proof.ts';
import { LogReadError } from '../../../tlog/core/log-error.ts';
import type { Speaker } from '../../program/command.ts';
import { verifiedCheckpoint } from '../log-head.ts';
import {
  knownLogs,
  logsListedAt,
  openTarget,
  type KnownLog,
  type LogTarget,
  type TargetOptions,
} from '../log-target.ts';

/** Milliseconds after which the file `checkpoint` has every entry that was logged before. */
const LATEST_HEAD = 2_000;

/** A certificate log, opened when the first certificate is looked for in it; undefined where it is not there. */
type OpenedLogs = Map<string, Promise<LogTarget | undefined>>;

/** The certificate logs of a directory or a service, at the heads of the moment when they are first asked for. */
export class LoggedCertificates {
  readonly #options: TargetOptions;
  readonly #speak: Speaker;
  #known: ReadonlyMap<string, KnownLog> | undefined;
  #opened: OpenedLogs = new Map();
  /** Whether the heads are younger than every entry that was read before. */
  #areNewest = false;

  constructor(options: TargetOptions, speak: Speaker) {
    this.#options = options;
    this.#speak = speak;
  }

  /** Why a certificate is not in the log that it has an SCT of, a sentence; undefined where it is. Rejects with CommandError and LogError where a log cannot be read. */
  async problemOf(der: Uint8Array): Promise<string | undefined> {
    const scts = sctsOf(der);
    if (scts === undefined) return 'the SCTs of the certificate cannot be read';
    if (scts.length === 0) return 'the certificate carries no SCT';
    this.#known ??= await knownLogs(this.#options);
    const logs = scts.flatMap(({ logId }) => this.#known?.get(toHex(logId)) ?? []);
    if (logs.length === 0) return 'the certificate carries no SCT of a log that is known';
    for (const log of logs) {
      const problem = await this.#problemIn(log, der);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  /** A head that is read from a file may be a second old: what it does not have is looked for again under a newer one, once. */
  async #problemIn(log: KnownLog, der: Uint8Array): Promise<string | undefined> {
    const missing = await this.#missingIn(log, der);
    if (missing === undefined || this.#areNewest) return missing;
    await delay(LATEST_HEAD);
    this.#areNewest = true;
    this.#opened = new Map();
    return this.#missingIn(log, der);
  }

  async #missingIn(log: KnownLog, der: Uint8Array): Promise<string | undefined> {
    const { origin, name } = log;
    const opening = this.#opened.get(name) ?? this.#open(log);
    this.#opened.set(name, opening);
    const target = await opening;
    if (target === undefined)
      return `the log ${origin}, of which the certificate carries an SCT, is not there to be looked into`;
    const { source, logId } = target;
    const { bytes, head } = await verifiedCheckpoint(target);
    try {
      await proveCertificate({ source, logId, checkpoint: bytes, verified: head }, der);
      return undefined;
    } catch (error) {
      if (!(error instanceof LogReadError) || error.code !== 'NOT_FOUND') throw error;
      return `the log ${origin} does not have the certificate: ${error.message}`;
    }
  }

  /** Undefined where the service does not list it. */
  async #open({ name }: KnownLog): Promise<LogTarget | undefined> {
    const { url } = this.#options;
    const listed = url === undefined ? undefined : await logsListedAt(url, this.#options);
    if (listed?.every((log) => log.name !== name) === true) return undefined;
    return openTarget({ ...this.#options, log: name }, this.#speak);
  }
}

/** The SCTs of a certificate; undefined where they, or what they would be over, cannot be read: anybody may have made it. */
function sctsOf(der: Uint8Array): readonly Sct[] | undefined {
  try {
    const list = findExtension(parseCertificate(der), SCT_LIST_OID);
    const scts = list === undefined ? [] : parseSctList(list.value).map(parseSct);
    for (const { extensions } of scts) parseLeafIndex(extensions);
    if (scts.length > 0) loggedTbs(der);
    return scts;
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
