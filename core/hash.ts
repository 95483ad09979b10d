/** SHA-256, handed in so that pure rooms stay free of any platform. 32 bytes, a new array each time; `data` is not
 * kept, for the caller may write over it. */
export type Sha256 = (data: Uint8Array) => Uint8Array;
