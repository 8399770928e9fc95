/** A library that the build has made: the path of its bytes, which the compiled binary carries inside. */
declare module "*.so" {
  const path: string;
  export = path;
}
