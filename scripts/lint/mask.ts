/**
 * Blanks out comments and the insides of string, template and regular-expression literals, so that a rule about code
 * does not fire on words. Positions and line breaks stay; code inside `${}` of a template stays code.
 *
 * It is a scanner, not a parser: whether a slash begins a regular expression is told from what stands before it.
 */
export function maskWords(source: string): string {
  const out = source.split("");
  /** Depth of braces inside each open `${}`; empty outside templates. */
  const templates: number[] = [];
  let at = 0;
  const blank = (from: number, to: number): void => {
    for (let i = from; i < to && i < out.length; i += 1) {
      if (out[i] !== "\n") out[i] = " ";
    }
  };
  const skip = (end: number): void => {
    blank(at, end);
    at = end;
  };

  while (at < source.length) {
    const char = source[at];
    const pair = source.slice(at, at + 2);
    const depth = templates.at(-1);
    if (pair === "//") skip(indexOrEnd(source, "\n", at));
    else if (pair === "/*") skip(indexOrEnd(source, "*/", at + 2) + 2);
    else if (char === '"' || char === "'") skip(endOfQuoted(source, at, char));
    else if (char === "`") at = enterTemplate(at + 1);
    else if (char === "/" && startsRegExp(source, at)) skip(endOfRegExp(source, at));
    else if (char === "}" && depth === 0) {
      templates.pop();
      at = enterTemplate(at + 1);
    } else {
      if (depth !== undefined && char === "{") templates[templates.length - 1] = depth + 1;
      if (depth !== undefined && char === "}") templates[templates.length - 1] = depth - 1;
      at += 1;
    }
  }
  return out.join("");

  /** Blanks template text from `from` on; gives the place after the closing quote or after the next `${`. */
  function enterTemplate(from: number): number {
    let i = from;
    while (i < source.length && source[i] !== "`") {
      if (source[i] === "$" && source[i + 1] === "{") {
        blank(from, i);
        templates.push(0);
        return i + 2;
      }
      i += source[i] === "\\" ? 2 : 1;
    }
    blank(from, i);
    return i + 1;
  }
}

function indexOrEnd(source: string, wanted: string, from: number): number {
  const found = source.indexOf(wanted, from);
  return found === -1 ? source.length : found;
}

function endOfQuoted(source: string, start: number, quote: string): number {
  let i = start + 1;
  while (i < source.length && source[i] !== quote && source[i] !== "\n") i += source[i] === "\\" ? 2 : 1;
  return i + 1;
}

function endOfRegExp(source: string, start: number): number {
  let i = start + 1;
  let inClass = false;
  while (i < source.length && source[i] !== "\n") {
    const char = source[i];
    if (char === "\\") i += 1;
    else if (char === "[") inClass = true;
    else if (char === "]") inClass = false;
    else if (char === "/" && !inClass) return i + 1 + (/^[a-z]*/.exec(source.slice(i + 1, i + 10))?.[0].length ?? 0);
    i += 1;
  }
  return i;
}

/** After a value a slash divides; after an operator, an opening bracket or a keyword it begins a regular expression. */
function startsRegExp(source: string, at: number): boolean {
  const before = source.slice(Math.max(0, at - 40), at).trimEnd();
  return (
    before === "" || /[(,=:[!&|?{};+*%<>~^-]$/.test(before) || /\b(return|typeof|case|in|of|await|yield)$/.test(before)
  );
}
