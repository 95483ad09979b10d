/** The version of this program; equal to that in package.json. */
export const VERSION = '0.1.0';

/** What every request that goes out says of the program that sends it: managed firewalls refuse requests without it. */
export const USER_AGENT = `mayfly/${VERSION}`;
