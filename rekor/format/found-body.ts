import { FormatError } from '../../core/errors.ts';
import type { JsonValue } from '../../core/strict-json.ts';

/** The body of an entry as it was found, asked for what a bundle does not say. */
export class FoundBody {
  readonly #body: JsonValue;

  constructor(body: JsonValue) {
    this.#body = body;
  }

  /** The text that stands there, if one does. */
  text(...path: readonly string[]): string | undefined {
    let value: JsonValue | undefined = this.#body;
    for (const name of path)
      value =
        typeof value === 'object' && value !== null && Object.hasOwn(value, name)
          ? (value as Readonly<Record<string, JsonValue>>)[name]
          : undefined;
    return typeof value === 'string' ? value : undefined;
  }

  /** The hash, in hexadecimal, of a text that is in no bundle. */
  sha256(...path: readonly string[]): string {
    const text = this.text(...path);
    if (text !== undefined && /^[0-9a-f]{64}$/.test(text)) return text;
    throw new FormatError('MALFORMED', `the log entry has no SHA-256 at ${path.join('.')}`);
  }
}
