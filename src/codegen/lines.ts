import type { DescFile } from "@bufbuild/protobuf";
import type { Printable } from "@bufbuild/protoplugin";

/** One line of code; imports are found by the framework from the symbols in it. */
export type Line = readonly Printable[];

/** A file as the emitters hand it over. */
export interface OutputFile {
  /** Relative to the output folder. */
  readonly path: string;
  /** The first file it was made from; its head is quoted. */
  readonly source: DescFile;
  readonly lines: readonly Line[];
}

export function line(texts: TemplateStringsArray, ...values: readonly Printable[]): Line {
  return texts.flatMap((text, i) => {
    const value = values[i];
    return value === undefined ? [text] : [text, value];
  });
}

/** A JSDoc block. */
export const doc = (...text: readonly string[]): Line => [{ kind: "es_jsdoc", text: text.join("\n") }];

/** `export DECLARATION NAME`, for the framework's other styles of modules too. */
export const exported = (declaration: string, name: string): Printable => ({
  kind: "es_export_stmt",
  declaration,
  name,
});

export const quoted = (value: string): Printable => ({ kind: "es_string", value });
