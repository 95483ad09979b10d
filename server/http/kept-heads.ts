/**
 * What the runtime's HTTP parser keeps of heads that it has delivered.
 *
 * It points into what was read, and copies what it needs beyond one read: the target of the last request, and the headers of
 * a head that came in several reads. Such a copy stays in its place until a header of a later head takes that, however long
 * the connection is idle, and also when the parser goes on to another connection. With the bulk of each head in another place,
 * a client can leave many times the longest head behind. Node 22, 24 and 26 have it so.
 */

/** Headers that the parser has places for; the next takes the first place again. */
const PLACES = 31;

/** The bytes that one parser keeps, at most. */
export class KeptHeads {
  #target = 0;
  #headers = 0;
  /** Places, from the first on, that may have a copy in them. */
  #places = 0;

  get bytes(): number {
    return this.#target + this.#headers;
  }

  /** The parser delivered a head, which came in one read or in several. `rawHeaders` are names and values in turn. */
  note(target: string, rawHeaders: readonly string[], cameAtOnce: boolean): void {
    this.#target = target.length;
    if (placesOf(rawHeaders) >= this.#places) [this.#headers, this.#places] = [0, 0];
    if (!cameAtOnce) this.noteHeaders(rawHeaders);
  }

  /** It delivered headers that are no whole head: trailers, or some of many. */
  noteHeaders(rawHeaders: readonly string[]): void {
    for (const text of rawHeaders) this.#headers += text.length;
    this.#places = Math.max(this.#places, placesOf(rawHeaders));
  }

  /** It has read so many bytes of a head that will not be completed. */
  noteAbandoned(bytes: number): void {
    if (bytes === 0) return;
    this.#headers += bytes;
    this.#places = PLACES;
  }
}

const placesOf = (rawHeaders: readonly string[]): number => Math.min(rawHeaders.length / 2, PLACES);
