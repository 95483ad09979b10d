import { expect } from 'chai';
import type { Head, LoadedState } from '../../tlog/store/commit-store.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { requirePossible } from '../../tlog/recovery.ts';

const signed: Head = { size: 7, root: new Uint8Array(32).fill(1), timestamp: 1000 };
const attempted: Head = { size: 9, root: new Uint8Array(32).fill(2), timestamp: 1001 };
const found = (head: Head): LoadedState => ({
  head,
  firstEntry: 0,
  entries: [],
  texts: { name: 'commit.db', source: 'commit.db', contradictionHint: '', damageHint: '', rollbackHint: '' },
  identity: { logId: new Uint8Array(32), bound: undefined },
});

describe('tlog/recovery', () => {
  it('goes on from the head that was signed last, or the one whose commit was tried, and from no other', () => {
    for (const head of [signed, attempted]) requirePossible(found(head), [signed, attempted]);
    const others: Head[] = [
      ...[
        { ...attempted, size: 8 },
        { ...attempted, timestamp: 1002 },
      ],
      ...[
        { ...attempted, root: signed.root },
        { ...signed, root: Uint8Array.from(signed.root).fill(3, 31) },
        { ...signed, timestamp: attempted.timestamp },
      ],
    ];
    for (const head of others)
      expect(() => {
        requirePossible(found(head), [signed, attempted]);
      }, JSON.stringify(head))
        .to.throw(LogError)
        .with.property('code', 'LOG_HEAD_MOVED');
    expect(() => {
      requirePossible(found(attempted), [signed]);
    }).to.throw(LogError);
  });
});
