/** A page that the build has made: its text, which the compiled binary carries inside. */
declare module "*.html" {
  const text: string;
  export = text;
}
