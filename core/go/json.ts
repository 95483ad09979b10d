/** JSON as Go's encoding/json writes it, indented: like ours, but with what HTML would read spelled as escapes. */
export const goJson = (value: unknown, indent: string): string =>
  JSON.stringify(value, undefined, indent).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
