/** How Go prints what it decoded from JSON, and how it writes JSON: Fulcio puts such texts into certificates. */

/** Sign, digits without zeros around them, and the power of ten of the digit in front: 120 → `['', '12', 2]`. */
function decimal(value: number): [string, string, number] {
  const [mantissa = '', exponent = '0'] = Math.abs(value).toExponential().split('e');
  return [value < 0 || Object.is(value, -0) ? '-' : '', mantissa.replace('.', ''), Number(exponent)];
}

/** A number as Go's `FormatFloat(value, 'f', -1, 64)`: plain decimal, shortest that reads back the same. */
function plainNumber(value: number): string {
  const [sign, digits, exponent] = decimal(value);
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  const rest = digits.slice(exponent + 1);
  return sign + whole + (rest === '' ? '' : `.${rest}`);
}

/** A number as Go prints it with %v: with an exponent from 1e6 on and below 1e-4. */
function printNumber(value: number): string {
  const [sign, digits, exponent] = decimal(value);
  if (value === 0 || (exponent >= -4 && exponent < 6)) return plainNumber(value);
  const power = `${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  return `${sign}${digits.charAt(0)}${digits.length > 1 ? `.${digits.slice(1)}` : ''}e${power}`;
}

/** A value of JSON as Go prints it with %v: `map[a:1 b:[x y]]`, `<nil>`. Keys in the order of their bytes. */
export function printValue(value: unknown): string {
  if (typeof value === 'number') return printNumber(value);
  if (Array.isArray(value)) return `[${value.map(printValue).join(' ')}]`;
  if (typeof value === 'string' || typeof value === 'boolean') return String(value);
  if (typeof value !== 'object' || value === null) return '<nil>';
  const entries = Object.entries(value as Record<string, unknown>).map(([name, inner]) => ({
    bytes: Buffer.from(name),
    name,
    inner,
  }));
  entries.sort((a, b) => Buffer.compare(a.bytes, b.bytes));
  return `map[${entries.map(({ name, inner }) => `${name}:${printValue(inner)}`).join(' ')}]`;
}

/** A claim as Fulcio's templates see it: a number in plain decimal, all else as Go prints it. */
export const claimText = (value: unknown): string =>
  typeof value === 'string' ? value : typeof value === 'number' ? plainNumber(value) : printValue(value);

/** JSON as Go's encoding/json writes it, indented: like ours, but with what HTML would read spelled as escapes. */
export const goJson = (value: unknown, indent: string): string =>
  JSON.stringify(value, undefined, indent).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
