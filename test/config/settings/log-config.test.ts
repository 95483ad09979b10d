import { expect } from 'chai';
import { ConfigError } from '../../../config/findings/config-error.ts';
import { parseConfig } from '../../../config/load/load.ts';

const ISSUER = 'oidc-issuers: {"https://a.example": {client-id: x, type: email}}\n';

const parsed = (text: string) => parseConfig(`${ISSUER}mayfly:\n  log: ${text}`);

function problemsOf(text: string): string[] {
  try {
    parsed(text);
  } catch (error) {
    expect(error).to.be.instanceOf(ConfigError);
    return (error as ConfigError).problems.map(({ path }) => path);
  }
  return [];
}

/** What is read through is read through once a week. */
const USUAL = { scrubIntervalMs: 7 * 24 * 3_600_000 };

describe('config: mayfly.log', () => {
  it('has the tiles in files unless it names a bucket', () => {
    expect(parseConfig(ISSUER).mayfly.log).to.deep.equal(USUAL);
  });

  it('names a bucket, and says no more of it than differs from what is usual', () => {
    expect(parsed('{tiles: s3://logs/prod/a}').mayfly.log).to.deep.equal({
      ...USUAL,
      tiles: { url: 's3://logs/prod/a' },
    });
    const bucket = '{endpoint: "https://s3.example.org", region: eu, addressing: path, writes: plain}';
    expect(parsed(`{tiles: s3://logs, bucket: ${bucket}}`).mayfly.log).to.deep.equal({
      ...USUAL,
      tiles: {
        url: 's3://logs',
        endpoint: 'https://s3.example.org',
        region: 'eu',
        addressing: 'path',
        writes: 'plain',
      },
    });
  });

  it('refuses what is no bucket, and credentials', () => {
    for (const url of [
      's3://',
      's3://b',
      'https://logs',
      's3://logs/',
      's3://logs/../x',
      's3://key:secret@logs',
    ])
      expect(problemsOf(`{tiles: "${url}"}`), url).to.deep.equal(['mayfly.log.tiles']);
    expect(problemsOf('{tiles: s3://logs, bucket: {endpoint: "https://a:b@s3.example.org"}}')).to.deep.equal([
      'mayfly.log.bucket.endpoint',
    ]);
  });

  it('names a database, and refuses what is none, and a password', () => {
    const url = 'postgres://mayfly@db.example.org/a?schema=b';
    expect(parsed(`{store: "${url}"}`).mayfly.log).to.deep.include({
      commits: { url },
      tiles: { url: 'postgres' },
    });
    for (const wrong of [
      'postgres://db.example.org/a',
      'postgres://mayfly@db.example.org',
      'postgres://mayfly:secret@db.example.org/a',
      'postgres://mayfly%zz@db.example.org/a',
      'postgres://mayfly@db.example.org/%ff',
      'postgres://mayfly@db.example.org/a?schema=b%22;--',
      'postgres://mayfly@db.example.org/a?options=-c',
      'postgres://mayfly@db.example.org/a?sslmode=require',
    ])
      expect(problemsOf(`{store: "${wrong}"}`), wrong).to.deep.equal(['mayfly.log.store']);
  });

  it('warns of a bucket that no tiles are in', () => {
    const found = parsed('{bucket: {region: eu}}').findings.map(({ code, path }) => `${code} ${path}`);
    expect(found).to.include('NO_EFFECT mayfly.log.bucket');
  });

  it('reads an anchor, and refuses one that cannot be', () => {
    expect(parsed('{anchor: {at: /mnt/b/}}').mayfly.log.anchor).to.deep.equal({
      at: '/mnt/b',
      mode: 'asynchronous',
    });
    const bucket = '{at: s3://heads/a, mode: synchronous, bucket: {region: eu}}';
    expect(parsed(`{anchor: ${bucket}}`).mayfly.log.anchor).to.deep.equal({
      at: 's3://heads/a',
      mode: 'synchronous',
      region: 'eu',
    });
    const database = '{at: "postgres://a@db.example.org/heads", password-file: /etc/hostname}';
    expect(parsed(`{anchor: ${database}}`).mayfly.log.anchor).to.deep.equal({
      at: 'postgres://a@db.example.org/heads',
      mode: 'asynchronous',
      passwordFile: '/etc/hostname',
    });
    expect(problemsOf('{anchor: {at: "postgres://a:secret@db.example.org/heads"}}')).to.deep.equal([
      'mayfly.log.anchor.at',
    ]);
    expect(problemsOf('{anchor: {at: relative/path}}')).to.deep.equal(['mayfly.log.anchor.at']);
    expect(problemsOf('{anchor: {at: "https://m.example.org", mode: synchronous}}')).to.deep.equal([
      'mayfly.log.anchor.mode',
    ]);
    expect(problemsOf('{tiles: s3://logs/a, anchor: {at: s3://logs/a}}')).to.deep.equal([
      'mayfly.log.anchor.at',
    ]);
  });

  it('says when one log follows another, and refuses what does not go with it', () => {
    expect(parsed('{shards: {every: quarter}}').mayfly.log.shards).to.deep.equal({
      every: 'quarter',
      at: [],
      entries: undefined,
      leadMs: 14 * 86_400_000,
      stagedBy: 'service',
    });
    const times = '["2028-01-01T00:00:00Z", "2027-07-01T02:00:00+02:00"]';
    const shards = `{at: ${times}, entries: 1000000, lead: 0h, stage: operator}`;
    expect(parsed(`{shards: ${shards}}`).mayfly.log.shards).to.deep.equal({
      every: undefined,
      at: [Date.UTC(2027, 6), Date.UTC(2028, 0)],
      entries: 1_000_000,
      leadMs: 0,
      stagedBy: 'operator',
    });
    const at = 'mayfly.log.shards';
    expect(problemsOf('{shards: {}}')).to.deep.equal([at]);
    expect(problemsOf('{shards: {every: month, lead: 28d}}')).to.deep.equal([`${at}.lead`]);
    expect(problemsOf('{shards: {at: ["2027-02-30T00:00:00Z"]}}')).to.include(`${at}.at.0`);
    expect(problemsOf('{shards: {every: year}, store: "postgres://a@b/c"}')).to.deep.equal([at]);
    expect(problemsOf('{shards: {every: year}, submission: {roots: missing.pem}}')).to.include(at);
    const outside = `${ISSUER}mayfly: {ct-log-url: "https://ct.example.org", ct-log-public-key: k.pem, log: {shards: {every: year}}}`;
    const found = parseConfig(outside).findings.map(({ code, path }) => `${code} ${path}`);
    expect(found).to.include(`NO_EFFECT ${at}`);
  });
});
