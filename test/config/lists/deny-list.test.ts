import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'chai';
import fc from 'fast-check';
import { ConfigError } from '../../../config/findings/config-error.ts';
import { readDenyList } from '../../../config/lists/deny-list.ts';
import { denyListJsonSchema } from '../../../config/reference/json-schema.ts';
import { projectRoot } from '../../support/project-root.ts';

const list = (...deny: unknown[]): string =>
  JSON.stringify({ version: 1, expires: '2026-12-24T18:00:00+01:00', deny });

describe('config/lists/deny-list', () => {
  it('reads serials as every tool prints them, and times of every zone', () => {
    for (const serial of ['0a1b', 'A1B', '0a:1b', '0A:1B', '00000a1b'])
      expect(readDenyList(list({ reason: 'x', serial }), 'f').rules[0]?.serial, serial).to.equal('a1b');
    const { expires, rules } = readDenyList(
      list({ reason: 'x', from: '2026-11-22T11:00:00+01:00', until: '2026-11-22T10:00:00.5Z' }),
      'f',
    );
    expect(expires).to.equal(Date.UTC(2026, 11, 24, 17));
    expect(rules[0]).to.include({
      from: Date.UTC(2026, 10, 22, 10),
      until: Date.UTC(2026, 10, 22, 10, 0, 0, 500),
    });
  });

  it('reads a serial that YAML would take for a number', () => {
    for (const serial of ['1234567890', '12e10', '0777', '1_000'.replace('_', '')])
      expect(
        readDenyList(`version: 1\nexpires: 2027-01-01T00:00:00Z\ndeny: [{reason: x, serial: ${serial}}]`, 'f')
          .rules[0]?.serial,
      ).to.equal(serial.replace(/^0+/, ''));
  });

  it('names the place of everything that is wrong', () => {
    const text = `version: 1
expires: tomorrow
deny:
  - {reason: a, identity: x, identity-prefix: y}
  - {reason: b, from: 2026-01-02T00:00:00Z, until: 2026-01-01T00:00:00Z}
  - {reason: c}
`;
    let thrown: unknown;
    try {
      readDenyList(text, 'deny.yaml');
    } catch (error) {
      thrown = error;
    }
    expect(thrown).to.be.instanceOf(ConfigError);
    expect((thrown as ConfigError).problems.map(({ line, message }) => `${line}: ${message}`)).to.deep.equal([
      '2: is no RFC 3339 time',
      '4: has both identity and identity-prefix',
      '5: is before from, so that nothing is denied',
      '6: denies every certificate',
    ]);
  });

  it('reads any text, or throws what is wrong with it', () => {
    const piece = fc.constantFrom(
      'version: 1\n',
      'deny:',
      '[',
      '{',
      '}',
      ']',
      'serial',
      ': ',
      '"',
      '\n',
      '- ',
      '&a ',
      '*a',
      '2a',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((pieces) => pieces.join('')),
        ),
        (text) => {
          try {
            readDenyList(text, 'f');
          } catch (error) {
            expect(error).to.be.instanceOf(ConfigError);
          }
        },
      ),
    );
  });

  it('has a schema that takes the example of the docs', () => {
    const validate = new Ajv2020({ strict: false }).compile(denyListJsonSchema());
    const page = readFileSync(join(projectRoot, 'docs/deny-list.md'), 'utf8');
    const [, example = ''] = /```json\n([^]*?)```/.exec(page) ?? [];
    expect(validate(JSON.parse(example)), JSON.stringify(validate.errors)).to.equal(true);
    expect(readDenyList(example, 'deny.json').rules.length).to.be.greaterThan(2);
    expect(validate({ version: 1, expires: 'x', deny: [{ reason: 'x', identiy: 'y' }] })).to.equal(false);
  });
});
