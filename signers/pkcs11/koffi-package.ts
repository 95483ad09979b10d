/** The npm package that calls libraries, at the version that is tested. It brings what it is compiled to, and is loaded in the process of a token alone. */
export const KOFFI_PACKAGE = 'koffi@3.3.4';
