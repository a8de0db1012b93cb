// What Node's own parser reads in each line, a body in hex.
import { createInterface } from "node:readline";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const out = [];
for await (const line of createInterface({ input: process.stdin })) {
  try {
    const body = JSON.parse(decoder.decode(Buffer.from(line, "hex")));
    if (Array.isArray(body) || typeof body !== "object") throw new TypeError();
    out.push(JSON.stringify(["model", "stream", "max_tokens"].map((key) => body[key] ?? null)));
  } catch {
    out.push("null");
  }
}
console.log(out.join("\n"));
