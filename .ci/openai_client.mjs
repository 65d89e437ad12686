// The stock OpenAI client against a running plumb. Usage: node openai_client.mjs BASE_URL MODEL
import assert from "node:assert/strict";
import OpenAI from "openai";

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL: baseURL + "/v1", apiKey: "unused", maxRetries: 0 });
const messages = [{ role: "user", content: "Any tips for making tea?" }];

const plain = await client.chat.completions.create({ model, messages, max_tokens: 24, seed: 7 });
assert.ok(plain.choices[0].message.content);
assert.ok(plain.usage.completion_tokens > 0);

const three = await client.chat.completions.create({ model, messages, max_tokens: 24, n: 3, seed: 8 });
assert.equal(three.choices.length, 3);

let text = "";
let align;
const stream = await client.chat.completions.create({ model, messages, max_tokens: 24, stream: true, align: { n: 4 } });
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta?.content ?? "";
  align = chunk.align ?? align;
}
assert.ok(text);
assert.equal(align.n_drawn, 4);

await assert.rejects(client.chat.completions.create({ model, messages, n: 0 }), (e) => e.status === 400 && e.param === "n");
await assert.rejects(client.chat.completions.create({ model: "no-such-model", messages }), (e) => e.status === 404);
console.log("openai node client: ok");
