import { posix } from "node:path";

/** What a page is judged by. */
export interface Repository {
  /** Whether there is a file or folder at this path from the root. */
  has(path: string): boolean;
  /** The text of a page; undefined where there is none. */
  text(path: string): string | undefined;
}

const FENCED = /^```.*?^```$/gms;
const INLINE_CODE = /`[^`\n]*`/g;
const LINK = /\]\(([^()\s]+)\)/g;
const HEADING = /^#{1,6} (.+)$/gm;
const ABSOLUTE = /^[a-z][a-z+.-]*:/i;
/** A path of the sources in a page's code; those with a placeholder or a pattern are none. */
const SOURCE_PATH = /`((?:src|tests|docs|scripts|proto|charts|packaging|zig|bench|tools)\/[-\w./]+)`/g;

/** The links of a page that lead nowhere, and the paths it names that are not there. */
export function brokenLinks(page: string, repository: Repository): readonly string[] {
  const text = (repository.text(page) ?? "").replace(FENCED, "");
  const links = [...text.replace(INLINE_CODE, "").matchAll(LINK)].map(([, target = ""]) => target);
  const paths = [...text.matchAll(SOURCE_PATH)].map(([, path = ""]) => path);
  return [
    ...links.filter((target) => !ABSOLUTE.test(target) && !leads(page, target, repository)),
    ...paths.filter((path) => !repository.has(path)),
  ];
}

function leads(page: string, target: string, repository: Repository): boolean {
  const [path = "", anchor] = target.split("#");
  const place = path === "" ? page : posix.join(posix.dirname(page), path);
  if (place.startsWith("../") || !repository.has(place)) return false;
  return anchor === undefined || anchorsOf(repository.text(place) ?? "").has(anchor);
}

/** The anchors that GitHub gives to the headings of a page. */
export function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of text.replace(FENCED, "").matchAll(HEADING)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const anchor = plain.replace(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-");
    let free = anchor;
    for (let i = 1; anchors.has(free); i++) free = `${anchor}-${i}`;
    anchors.add(free);
  }
  return anchors;
}
