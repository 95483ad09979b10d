import { expect } from 'chai';
import fc from 'fast-check';
import { JsonText } from '../../core/json-members.ts';

/** What a text holds, read member by member: objects as lists of names and values. */
function read(json: JsonText, at: number): unknown {
  const text = json.textAt(at);
  if (text !== undefined) return text;
  const members = [...json.members(at)].map(([name, value]) => [name, read(json, value)]);
  const elements = [...json.elements(at)].map((element) => read(json, element));
  return { members, elements };
}

const expected = (value: unknown): unknown => {
  if (typeof value === 'string') return value;
  const elements = Array.isArray(value) ? value.map(expected) : [];
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const members = isObject ? Object.entries(value).map(([name, member]) => [name, expected(member)]) : [];
  return { members, elements };
};

describe('core/json-members', () => {
  it('reads of every JSON text what JSON.parse makes of it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 1, '\t\r\n '), (value, blanks) => {
        const json = new JsonText(JSON.stringify(value, undefined, blanks));
        expect(read(json, json.start)).to.deep.equal(expected(JSON.parse(JSON.stringify(value))));
      }),
    );
  });

  it('reads every member of one name, escaped or not, in the order in which they stand', () => {
    const json = new JsonText(' {"a": 1, "\\u0061":"x" ,"b":[{"a":"no"}],"a":{"a":"},"}}');
    const members = [...json.members(json.start)].filter(([name]) => name === 'a');
    expect(members.map(([, value]) => read(json, value))).to.deep.equal([
      { members: [], elements: [] },
      'x',
      { members: [['a', '},']], elements: [] },
    ]);
  });

  it('passes over what is no JSON, and reads what stands behind', () => {
    const json = new JsonText('{"x":NaN,y:1,"z" 2,,"n":-Infinity,"a":"b","rest":');
    expect([...json.members(json.start)].map(([name]) => name)).to.deep.equal(['x', 'n', 'a', 'rest']);
  });

  it('ends and does not throw, whatever the text is', () => {
    const text = fc
      .array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', 'a', ' '))
      .map((all) => all.join(''));
    fc.assert(
      fc.property(text, (one) => {
        const json = new JsonText(one);
        expect(() => read(json, json.start)).not.to.throw();
      }),
    );
  });
});
