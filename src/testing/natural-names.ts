/** The contract's order of names: gpu-2 before gpu-10; where only leading zeros differ, as the text says. */
export function naturally(a: string, b: string): number {
  const left = parts(a);
  const right = parts(b);
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [x = "", y = ""] = [left[i], right[i]];
    if (/^\d/.test(x) && /^\d/.test(y)) {
      if (BigInt(x) !== BigInt(y)) return BigInt(x) < BigInt(y) ? -1 : 1;
    } else if (x !== y) return x < y ? -1 : 1;
  }
  return left.length - right.length || (a.toLowerCase() < b.toLowerCase() ? -1 : 1);
}

function parts(name: string): readonly string[] {
  return name.toLowerCase().match(/\d+|\D+/g) ?? [];
}
