import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseConfig } from '../../../config/load/load.ts';
import { problemsOf } from '../support/mistakes.ts';

const withLifetime = (value: string): string =>
  `oidc-issuers: {"https://a.example": {client-id: x, type: email, mayfly: {lifetime: ${value}, rules: [{name: a, allow: claims.sub == "1"}]}}}`;
const withSize = (value: string): string => `mayfly: {audit: {file: {path: /a, max-size: ${value}}}}`;

describe('config/schema/quantity', () => {
  it('takes times with their unit', () => {
    for (const [value, seconds] of [
      ['10m', 600],
      ['10 min', 600],
      ['1h', 3600],
      ['0h10m', 600],
      ['600s', 600],
      ['0.5h', 1800],
      ["'5m'", 300],
    ] as const) {
      const { issuers, findings } = parseConfig(withLifetime(value));
      expect(issuers[0]?.policy.lifetimeSeconds, value).to.equal(seconds);
      expect(findings, value).to.deep.equal([]);
    }
    const { mayfly } = parseConfig('mayfly: {limits: {idle-timeout: 1h1m}}');
    expect(mayfly.limits.idleTimeoutMs).to.equal(3_660_000);
  });

  it('takes sizes with their unit', () => {
    for (const [value, bytes] of [
      ['100MiB', 104_857_600],
      ['100Mi', 104_857_600],
      ['100 MB', 100_000_000],
      ['1.5GiB', 1_610_612_736],
      ['1048576B', 1_048_576],
    ] as const) {
      const { mayfly } = parseConfig(withSize(value));
      expect(mayfly.audit?.file?.maxBytes, value).to.equal(bytes);
    }
  });

  it('takes bare numbers for what they always meant, and says what that is', () => {
    const found = (text: string): string[] =>
      parseConfig(text).findings.flatMap(({ code, message, hint = '', line, column }) =>
        code === 'UNIT_MISSING' ? [`${String(line)}:${String(column)} ${message}. ${hint}`] : [],
      );
    expect(parseConfig(withSize('1000000')).mayfly.audit?.file?.maxBytes).to.equal(1_048_576_000_000);
    expect(found(withSize('1000000'))).to.deep.equal([
      '1:45 1000000 without a unit means 1000000 MiB (976.6 GiB). Write 1000000MiB, if that is what is meant.',
    ]);
    expect(parseConfig(withLifetime('5')).issuers[0]?.policy.lifetimeSeconds).to.equal(300);
    expect(found(withLifetime('5'))[0]).to.include('5 without a unit means 5 minutes. Write 5m,');
    expect(found('mayfly: {limits: {idle-timeout: 700}}')[0]).to.include('700 seconds (11.7 minutes)');
    expect(found('mayfly: {audit: {file: {path: /a, max-age: 48}}}')[0]).to.include('48 hours (2 days)');
    // Nothing is nothing in every unit.
    expect(found('oidc-issuers: {"https://a.example": {client-id: x, type: email, mayfly: {leeway: 0}}}')).to
      .be.empty;
  });

  it('refuses what is no time or size, too little or too much', () => {
    for (const [text, message] of [
      [withLifetime('10 fortnights'), 'must be a time with its unit, such as 10m'],
      [withLifetime('10MiB'), 'must be a time with its unit, such as 10m'],
      [withLifetime('-5m'), 'must be a time with its unit, such as 10m'],
      [withLifetime('5m!'), 'must be a time with its unit, such as 10m'],
      [withLifetime(`${'1'.repeat(400)}h`), 'must be a time with its unit, such as 10m'],
      [withLifetime('90s'), 'must be a whole number of minutes'],
      [withLifetime('2h'), 'must be at most 60m'],
      [withLifetime('30s'), 'must be at least 1m'],
      [withSize('10m'), 'must be a size with its unit, such as 10MiB'],
      [withSize('1KiB'), 'must be at least 1MiB'],
      [withSize('2TiB'), 'must be at most 1000000MiB'],
    ] as const)
      expect(problemsOf(text).map((problem) => problem.message)[0], text.slice(-60)).to.equal(message);
  });
});

describe('config/settings/file-checks', () => {
  it('warns of a file of the access token that cannot be used', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'mayfly-files-'));
    try {
      await writeFile(join(directory, 'token'), 'secret\n', { mode: 0o600 });
      await writeFile(join(directory, 'empty'), '', { mode: 0o600 });
      const found = (name: string): string[] =>
        parseConfig(`mayfly: {log-access: token, log-access-token-file: ${name}}`, { directory })
          .findings.filter(({ code }) => code === 'FILE_UNUSABLE')
          .map(({ path, message }) => `${path}: ${message}`);
      expect(found('token')).to.deep.equal([]);
      expect(found('absent')).to.deep.equal([
        `mayfly.log-access-token-file: ${join(directory, 'absent')} does not exist`,
      ]);
      expect(found('empty')[0]).to.match(/is empty$/);
      expect(found('.')[0]).to.match(/is a directory$/);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
