/**
 * Where the provider keeps its sessions, codes and device codes: in memory, on purpose. A restart forgets who was
 * logging in, and nothing of a login ever lies on disk.
 */
import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider';

interface Stored {
  readonly payload: AdapterPayload;
  readonly expires: number;
}

/** More than this many records push out the oldest: an untrusted client that opens logins cannot fill the memory. */
const MAX_RECORDS = 10_000;

/** A fresh store and the adapters onto it, one for each of the provider's models. */
export function memoryAdapters(clock: () => number = Date.now): AdapterFactory {
  const records = new Map<string, Stored>();
  const live = (key: string): AdapterPayload | undefined => {
    const found = records.get(key);
    if (found === undefined || found.expires > clock()) return found?.payload;
    records.delete(key);
    return undefined;
  };
  const put = (key: string, payload: AdapterPayload, expiresIn?: number): void => {
    records.delete(key);
    records.set(key, { payload, expires: expiresIn === undefined ? Infinity : clock() + expiresIn * 1000 });
    for (const oldest of records.keys()) {
      if (records.size <= MAX_RECORDS) break;
      records.delete(oldest);
    }
  };
  return (model) => adapterOf(model, { records, live, put });
}

interface Store {
  readonly records: Map<string, Stored>;
  live(key: string): AdapterPayload | undefined;
  put(key: string, payload: AdapterPayload, expiresIn?: number): void;
}

function adapterOf(model: string, store: Store): Adapter {
  const keyOf = (id: string): string => `${model}:${id}`;
  const findBy = (field: 'uid' | 'userCode', value: string): Promise<AdapterPayload | undefined> => {
    for (const key of store.records.keys()) {
      if (!key.startsWith(`${model}:`)) continue;
      const payload = store.live(key);
      if (payload?.[field] === value) return Promise.resolve(payload);
    }
    return Promise.resolve(undefined);
  };
  return {
    upsert: (id, payload, expiresIn) => {
      store.put(keyOf(id), payload, expiresIn);
      return Promise.resolve();
    },
    find: (id) => Promise.resolve(store.live(keyOf(id))),
    findByUid: (uid) => findBy('uid', uid),
    findByUserCode: (userCode) => findBy('userCode', userCode),
    consume: (id) => {
      const payload = store.live(keyOf(id));
      if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000);
      return Promise.resolve();
    },
    destroy: (id) => {
      store.records.delete(keyOf(id));
      return Promise.resolve();
    },
    revokeByGrantId: (grantId) => {
      for (const [key, { payload }] of store.records)
        if (payload.grantId === grantId) store.records.delete(key);
      return Promise.resolve();
    },
  };
}
