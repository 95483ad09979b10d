/** What the outside knows of a log: every head that its key ever signed, every answer that it ever gave. */
import { expect } from 'chai';
import { toHex } from '../../../core/bytes.ts';
import type { Signer } from '../../../signers/signer.ts';
import type { CommittedEntry } from '../../../tlog/core/committed.ts';
import { checkDirectory } from '../../../ct-log/check-directory.ts';
import { openDirectorySource } from '../../../ct-log/directory-source.ts';
import { CompactRange } from '../../../tlog/format/compact-range.ts';
import { parseSct, type SctReceipt } from '../../../ct-log/format/sct.ts';
import { tilePath, tileWidth } from '../../../tlog/format/tile.ts';
import type { LogSigners } from '../../../ct-log/log-keys.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';

/** A head as it was signed. */
export interface SeenHead {
  readonly size: number;
  readonly timestamp: number;
  readonly root: string;
}

/** Reads the 50 bytes of a TreeHeadSignature's input (RFC 6962 §3.5). */
export function readTreeHead(data: Uint8Array): SeenHead | undefined {
  if (data.length !== 50 || data[1] !== 1) return undefined;
  const view = new DataView(data.buffer, data.byteOffset);
  return {
    timestamp: Number(view.getBigUint64(2)),
    size: Number(view.getBigUint64(10)),
    root: toHex(data.subarray(18)),
  };
}

/** The ledger of one log over all its runs. */
export class Ledger {
  readonly heads: SeenHead[] = [];
  readonly answers: Pick<CommittedEntry<SctReceipt>, 'index' | 'timestamp' | 'leafHash'>[] = [];

  /** `signers` that write down each head before they sign it. */
  watch(signers: LogSigners): LogSigners {
    const treeHead: Signer = {
      ...signers.treeHead,
      sign: (data) => {
        const head = readTreeHead(data);
        if (head !== undefined) this.heads.push(head);
        return signers.treeHead.sign(data);
      },
    };
    return { ...signers, treeHead };
  }

  /** Writes an answer down. */
  note(committed: CommittedEntry<SctReceipt>): void {
    expect(parseSct(committed.receipt.sct).timestamp).to.equal(committed.timestamp);
    this.answers.push(committed);
  }

  /** Holds the log in `directory` to everything that is written down. */
  async expectKept(directory: string): Promise<void> {
    const source = await openDirectorySource(directory);
    const { size } = source.head;
    const hashes: Uint8Array[] = [];
    for (let n = 0; n * 256 < size; n++) {
      const width = tileWidth(0, n, size);
      const tile = await source.tile(tilePath({ level: 0, n, width }));
      for (let i = 0; i < width; i++) hashes.push(tile.subarray(i * 32, (i + 1) * 32));
    }
    this.#expectHeads(hashes, { ...source.head, root: toHex(source.head.root) });
    this.#expectAnswers(hashes);
  }

  /** Every signed head is a prefix of the log, none was signed in two forms, and times rise with sizes. */
  #expectHeads(hashes: readonly Uint8Array[], last: SeenHead): void {
    const bySize = new Map<number, SeenHead>();
    for (const head of this.heads) {
      expect(bySize.get(head.size) ?? head, `heads of size ${head.size}`).to.deep.equal(head);
      bySize.set(head.size, head);
      expect(head.size).to.be.at.most(last.size);
    }
    const range = new CompactRange(sha256);
    for (let size = 0; size <= hashes.length; size++) {
      const leaf = hashes[size - 1];
      if (leaf !== undefined) range.append(leaf);
      const head = bySize.get(size);
      if (head !== undefined) expect(toHex(range.root()), `root of size ${size}`).to.equal(head.root);
    }
    expect(toHex(range.root())).to.equal(last.root);
    const times = [...bySize.values()].sort((a, b) => a.size - b.size).map(({ timestamp }) => timestamp);
    for (const [i, time] of times.entries()) if (i > 0) expect(time).to.be.above(times[i - 1] ?? 0);
  }

  /** Every answer has its leaf at its index, no two share one, and a signed head covers it, no earlier than it. */
  #expectAnswers(hashes: readonly Uint8Array[]): void {
    const newest = this.heads.reduce((a, b) => (a.size > b.size ? a : b), {
      size: 0,
      timestamp: 0,
      root: '',
    });
    expect(new Set(this.answers.map(({ index }) => index)).size).to.equal(this.answers.length);
    for (const { index, leafHash, timestamp } of this.answers) {
      expect(toHex(hashes[index] ?? new Uint8Array()), `leaf ${index}`).to.equal(toHex(leafHash));
      expect(newest.size).to.be.above(index);
      expect(newest.timestamp).to.be.at.least(timestamp);
    }
  }
}

/** Throws unless `mayfly log check` is content with the directory. Needs entries that are certificates. */
export async function expectSound(directory: string): Promise<void> {
  const result = await checkDirectory(await openDirectorySource(directory));
  expect(result).to.include({ ok: true });
}
