/**
 * What may break a line, colour a terminal, hide text or reorder it: control characters (escape sequences start with
 * one), format characters (direction marks among them), line and paragraph separators, and lone surrogates.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Text that stays on its line and shows every character it has; the escapes are those of JSON. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escapeCharacter);
}

/** A JSON string without any character of which a terminal or a line-based reader makes something else. */
export function printableJsonString(text: string): string {
  // JSON.stringify has escaped U+0000 to U+001F and lone surrogates; what is left is escaped the same way.
  return JSON.stringify(text).replace(UNPRINTABLE, escapeCharacter);
}

/** At most `max` code points, and a note of what is missing. */
export function truncate(text: string, max: number): string {
  if (text.length <= max) return text;
  let units = 0;
  let points = 0;
  for (const character of text) {
    if (points === max) return `${text.slice(0, units)}… (of ${text.length})`;
    units += character.length;
    points++;
  }
  return text;
}

function escapeCharacter(character: string): string {
  switch (character) {
    case "\n":
      return "\\n";
    case "\r":
      return "\\r";
    case "\t":
      return "\\t";
  }
  let escaped = "";
  for (let i = 0; i < character.length; i++) {
    escaped += `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`;
  }
  return escaped;
}
