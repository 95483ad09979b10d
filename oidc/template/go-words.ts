/** What Go's text/template says when it cannot fill a template in. Clients of Fulcio are shown these words. */
import type { FunctionCall, GoType } from './tree.ts';

/** Line from 1, column in bytes of UTF-8 from 0, as Go counts. */
function place(text: string, at: number): string {
  const start = text.lastIndexOf('\n', at - 1) + 1;
  const line = text.slice(0, start).split('\n').length;
  return `template: :${line}:${Buffer.byteLength(text.slice(start, at))}`;
}

/** A claim that is missing, whose name begins with its dot at `at`. */
export const missingWords = (text: string, at: number, name: string): string =>
  `${place(text, at)}: executing "" at <.${name}>: map has no entry for key "${name}"`;

/** Two values that eq or ne cannot compare. */
export const comparisonWords = (text: string, call: FunctionCall, a: GoType, b: GoType): string =>
  `${place(text, call.at)}: executing "" at <${call.source}>: error calling ${call.name}: ` +
  `incompatible types for comparison: ${a} and ${b}`;
