import { createHash } from "node:crypto";
import document from "../../dist/page/index.html" with { type: "text" };
import { assert } from "../base/assert.ts";

/** The page for people: one document without anything from elsewhere. */
export interface Page {
  readonly html: string;
  /** The Content-Security-Policy that lets in exactly what the document itself holds. */
  readonly policy: string;
}

export function loadPage(): Page {
  return createPage(document);
}

export function createPage(html: string): Page {
  const directives = [
    "default-src 'none'",
    `script-src '${hashOf("script", html)}'`,
    `style-src '${hashOf("style", html)}'`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    // No text becomes markup, whatever the script does.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  return { html, policy: directives.join("; ") };
}

function hashOf(element: "script" | "style", html: string): string {
  const found = [...html.matchAll(new RegExp(`<${element}\\b[^>]*>([\\s\\S]*?)</${element}>`, "g"))];
  assert(found.length === 1, `the page has one ${element}, and not ${found.length}`);
  return `sha256-${createHash("sha256")
    .update(found[0]?.[1] ?? "")
    .digest("base64")}`;
}
