import { readFileSync } from "node:fs";
import { join } from "node:path";

const GUIDES = join(import.meta.dir, "../../docs/sdk");

/** The packages that a guide of the SDK says to install, for a program and for its development alike. */
export function guideInstalls(guide: string): readonly string[] {
  const text = readFileSync(join(GUIDES, guide), "utf8");
  const commands = [...text.matchAll(/^\$ npm install (.*)$/gm)];
  if (commands.length === 0) throw new Error(`docs/sdk/${guide} says nowhere what to install`);
  return commands.flatMap(([, words = ""]) => words.split(" ").filter((word) => !word.startsWith("--")));
}

/** The package that an import is from: `@scope/name/entry` is of `@scope/name`. */
export function packageOf(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}
