const EMAIL = /^[^\s@<>"(),:;[\]\\\p{Cc}]+@[^\s@<>"(),:;[\]\\\p{Cc}]+$/u;

/** Whether `text` can be an e-mail address in a certificate: one `@`, no space, no quotes, at most 254 characters. */
export const isEmail = (text: string): boolean => text.length <= 254 && EMAIL.test(text);
