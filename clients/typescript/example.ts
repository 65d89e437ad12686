// Ask, look at the candidates, vote. Usage: node example.js [URL]
import { Plumb, PlumbError } from "./plumb.js";

declare const process: { argv: string[] };
const plumb = new Plumb(process.argv[2], { user: "ada" });

const reply = await plumb.chat("Any tips for making tea?", { align: { n: 4 }, seed: 1 });
console.log(reply.choices[0]!.message.content);
console.log("method:", reply.align.method, " drawn:", reply.align.n_drawn);

const { candidates } = await plumb.generation(reply.id);
candidates.sort((a, b) => a.text.length - b.text.length);
const vote = await plumb.rank(reply.id, candidates.map((c) => c.id));
console.log("ranked the shorter ones first:", vote.stored);

const thumb = await plumb.thumb(reply.id, 1);
await plumb.revoke(thumb.id);

try {
  console.log("next:", (await plumb.next(reply.id)).choices[0]!.message.content);
} catch (e) {
  if (!(e instanceof PlumbError && e.status === 409)) throw e; // 409: all candidates were the same text
}

let text = "";
for await (const chunk of plumb.stream("Hello!")) text += chunk.choices[0]?.delta.content ?? "";
console.log("streamed:", text);
