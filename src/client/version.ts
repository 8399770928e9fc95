/** Of this package; the user agent carries it. A test compares it with package.json. */
export const CLIENT_VERSION = "0.1.0";
