"use strict";
// Talks to the server's own API, as any client would. Replies are text and never become markup.
const $ = (selector, within = document) => within.querySelector(selector);
const fields = ["model", "method", "n", "temperature", "user"];
const messages = []; // of the conversation
let running = null;  // AbortController of the reply that comes now

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) name in element ? (element[name] = value) : element.setAttribute(name, value);
  element.append(...children);
  return element;
}

async function call(method, path, body) {
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if ($("#key").value) headers.Authorization = "Bearer " + $("#key").value;
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal: running?.signal });
  if (response.ok) return response;
  const text = await response.text();
  let message = text.slice(0, 300) || "HTTP " + response.status;
  try { message = JSON.parse(text).error.message; } catch { /* not JSON: the text itself */ }
  throw Object.assign(new Error(message), { status: response.status });
}
const json = async (...args) => (await call(...args)).json();
const user = () => $("#user").value || undefined;

// chunks yields the parsed events of a stream; comments are heartbeats and are skipped.
async function* chunks(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = "", finished = false; !finished;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the stream ended early");
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data: ")) continue;
      const data = line.slice(6);
      if (data === "[DONE]") { finished = true; break; }
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      yield chunk;
    }
  }
}

function request() {
  const body = { model: $("#model").value, messages, stream: true, user: user(), align: { method: $("#method").value } };
  if ($("#n").value) body.align.n = Number($("#n").value);
  if ($("#temperature").value) body.temperature = Number($("#temperature").value);
  return body;
}

async function ask(prompt) {
  $("#hello").hidden = true;
  const turn = $("#turn").content.firstElementChild.cloneNode(true);
  $("#turns").append(turn);
  $(".asked", turn).textContent = prompt;
  const text = $(".text", turn);
  text.classList.add("waiting");
  messages.push({ role: "user", content: prompt });
  running = new AbortController();
  $("#send").textContent = "Stop";
  const reply = { id: "", text: "", at: messages.length };
  try {
    for await (const chunk of chunks(await call("POST", "/v1/chat/completions", request()))) {
      reply.id = chunk.id;
      const delta = chunk.choices[0]?.delta?.content;
      if (delta) text.textContent = reply.text += delta;
      if (chunk.align) explain(turn, reply, chunk.align);
      turn.scrollIntoView({ block: "end" });
    }
    messages.push({ role: "assistant", content: reply.text });
    react(turn, reply);
  } catch (error) {
    messages.length = reply.at - 1; // what was not answered is not part of the conversation
    text.classList.add("error");
    text.textContent = error.name === "AbortError" ? "Stopped." : error.message;
  } finally {
    text.classList.remove("waiting");
    running = null;
    $("#send").textContent = "Send";
  }
}

function explain(turn, reply, align) {
  reply.candidate = `${reply.id}.${align.chosen}`; // what is before the reader's eyes
  const parts = [align.method === "none" ? "one reply, not chosen" : `${align.method}: best of ${align.n_drawn}`];
  if (align.reward !== null) parts.push(`reward ${align.reward.toFixed(2)} ± ${(align.sd ?? 0).toFixed(2)}`);
  if (align.n_drawn > 1 && align.method === "none") parts.push(`${align.n_drawn} drawn, no reward model yet`);
  if (align.downgraded_from) parts.push(`asked for ${align.downgraded_from}`);
  if (align.stored === null) parts.push("not kept: it cannot be rated");
  $(".how", turn).textContent = parts.join(" · ");
}

// react wires what can be said about a reply.
function react(turn, reply) {
  const acts = $(".acts", turn), said = $(".said", turn), editor = $(".editor", turn), list = $(".candidates", turn);
  const up = $(".up", turn), down = $(".down", turn), live = { up: null, down: null };
  acts.hidden = false;
  const attempt = (action) => async (event) => {
    event.preventDefault();
    said.textContent = "";
    try { await action(); } catch (error) { said.textContent = error.message; }
  };
  const vote = async (body) => {
    const receipt = await json("POST", "/v1/feedback", { id: reply.candidate, user: user(), ...body });
    said.textContent = receipt.stored === "durable" ? "kept" : "kept here until the store is back";
    return receipt;
  };
  const show = (value) => { up.setAttribute("aria-pressed", value > 0); down.setAttribute("aria-pressed", value < 0); };
  const thumb = (button, value) => attempt(async () => {
    if (button.getAttribute("aria-pressed") === "true") {
      await call("DELETE", "/v1/feedback/" + encodeURIComponent(live.id));
      said.textContent = "taken back";
      return show(0);
    }
    live.id = (await vote({ kind: "thumb", value })).id;
    show(value);
  });
  up.onclick = thumb(up, 1);
  down.onclick = thumb(down, -1);
  $(".next", turn).onclick = attempt(async () => {
    const next = await json("POST", `/v1/generations/${encodeURIComponent(reply.id)}/next`, { user: user() });
    reply.text = next.choices[0].message.content;
    $(".text", turn).textContent = reply.text;
    if (messages[reply.at]) messages[reply.at].content = reply.text;
    explain(turn, reply, next.align);
    show(0);
    if (!list.hidden) await candidates(reply, list, vote);
  });
  $(".edit", turn).onclick = () => { editor.hidden = false; $("textarea", editor).value = reply.text; $("textarea", editor).focus(); };
  $(".cancel", editor).onclick = () => { editor.hidden = true; };
  editor.onsubmit = attempt(async () => {
    await vote({ kind: "edit", text: $("textarea", editor).value });
    $(".text", turn).textContent = reply.text = $("textarea", editor).value;
    if (messages[reply.at]) messages[reply.at].content = reply.text;
    editor.hidden = true;
  });
  $(".all", turn).onclick = attempt(async () => {
    list.hidden = !list.hidden;
    $(".all", turn).setAttribute("aria-expanded", !list.hidden);
    if (!list.hidden) await candidates(reply, list, vote);
  });
}

// candidates lists everything that was drawn, the best first, and takes one as the preferred.
async function candidates(reply, list, vote) {
  const drawn = (await json("GET", "/v1/generations/" + encodeURIComponent(reply.id))).candidates;
  const rewards = drawn.map((c) => c.reward).filter((r) => r !== null);
  const low = Math.min(...rewards), high = Math.max(...rewards);
  const current = drawn.find((c) => c.id === reply.candidate);
  const score = (c) => c.reward === null ? [make("span", {}, "not scored")] : [
    make("meter", { min: low, max: high > low ? high : low + 1, value: c.reward, title: "reward within this request" }),
    make("span", {}, `reward ${c.reward.toFixed(2)} ± ${(c.sd ?? 0).toFixed(2)}, distance ${(c.ood ?? 0).toFixed(1)}`)];
  const prefer = (c) => make("button", { type: "button", onclick: async (event) => {
    try { await vote({ id: reply.id, kind: "preference", winner: c.id, losers: [current.id] }); event.target.textContent = "Preferred"; }
    catch (error) { event.target.textContent = error.message; }
  } }, "Better than the reply");
  list.replaceChildren(...[...drawn].sort((a, b) => (b.reward ?? -Infinity) - (a.reward ?? -Infinity)).map((c) =>
    make("li", { className: "candidate" + (c === current ? " shown" : "") }, make("p", {}, c.text),
      make("footer", { className: "quiet" }, ...score(c), ...(c === current || !current ? [make("span", {}, c === current ? "the reply" : "")] : [prefer(c)])))));
}

// learning shows what is live and what runs came to.
async function learning() {
  let status;
  try { status = await json("GET", "/v1/align/status"); } catch (error) { $("#releases").textContent = error.message; return; }
  const release = (name, r) => r ? `${name}: ${r.model}${r.run ? " of " + r.run : ""}${r.rm ? ", reward model " + r.rm.slice(0, 12) : ", no reward model"}` : "";
  $("#releases").textContent = [release("Live", status.alias.live), release("Previous", status.alias.previous),
    release(`Canary (${Math.round(status.alias.share * 100)} % of users)`, status.alias.canary)].filter(Boolean).join(" · ") || "the untouched base model answers";
  $("#runs").hidden = !status.runs.length;
  $("#runs tbody").replaceChildren(...status.runs.map((run) => make("tr", {},
    ...[run.id, run.error ? run.state + ": " + run.error : run.state, run.method ?? "",
      Object.entries(run.rows ?? {}).map(([kind, n]) => `${n} ${kind}`).join(", "), new Date(run.created).toLocaleString()].map((cell) => make("td", {}, cell)))));
}
const operate = (path, done) => async () => {
  try { await call("POST", path); $("#learning-note").textContent = done; } catch (error) { $("#learning-note").textContent = error.message; }
  await learning();
};

async function connect() {
  try {
    const { data } = await json("GET", "/v1/models");
    const chosen = $("#model").value;
    $("#model").replaceChildren(...data.map((m) => make("option", {}, m.id)));
    if (data.some((m) => m.id === chosen)) $("#model").value = chosen;
    $("#live").textContent = data.map((m) => m.id).join(", ");
  } catch (error) {
    $("#live").textContent = error.message;
    if (error.status === 401) toggle(true);
  }
}

function toggle(open) {
  $("#settings").hidden = !open;
  $("#settings-open").setAttribute("aria-expanded", open);
}

$("#settings-open").onclick = () => toggle($("#settings").hidden);
$("#key").onchange = connect;
$("#learning").ontoggle = () => $("#learning").open && learning();
$("#run-start").onclick = operate("/v1/align/runs", "A run has begun.");
$("#roll-back").onclick = operate("/v1/align/rollback", "The previous release is live.");
setInterval(() => $("#learning").open && !document.hidden && learning(), 5000);
$("#ask").onsubmit = (event) => {
  event.preventDefault();
  if (running) return running.abort();
  const prompt = $("#prompt").value.trim();
  if (!prompt) return;
  $("#prompt").value = "";
  $("#prompt").style.height = "";
  ask(prompt);
};
$("#prompt").onkeydown = (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("#ask").requestSubmit();
};
$("#prompt").oninput = ({ target }) => { target.style.height = ""; target.style.height = target.scrollHeight + 2 + "px"; };
for (const idea of ["Any tips for making tea?", "How do I start running?", "What can I cook with eggs?"])
  $("#ideas").append(make("button", { type: "button", onclick: () => ask(idea) }, idea));
for (const name of fields) {
  const field = $("#" + name), kept = sessionStorage.getItem("plumb." + name);
  if (kept) field.value = kept;
  field.addEventListener("change", () => sessionStorage.setItem("plumb." + name, field.value));
}
$("#prompt").focus();
connect();
