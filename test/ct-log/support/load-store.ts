/** Loads the commit store in the directory that is named, and says what that gave, as one line of JSON. */
import { ctLogIdentity } from '../../../ct-log/log-identity.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { sqliteCommitStore } from '../../../tlog/store/sqlite-commit-store.ts';

const [directory = ''] = process.argv.slice(2);
const store = sqliteCommitStore(
  directory,
  ctLogIdentity({
    origin: 'localhost/log/2026',
    sctExtensions: 'leaf_index',
    createdAt: 1000,
    publicKey: Uint8Array.of(7),
    ed25519PublicKey: new Uint8Array(32),
  }),
);
try {
  const { head, entries } = await store.load();
  console.log(JSON.stringify({ size: head.size, entries: entries.length }));
} catch (error) {
  if (!(error instanceof LogError)) throw error;
  console.log(JSON.stringify({ code: error.code, message: error.message, hint: error.hint }));
}
await store.close();
