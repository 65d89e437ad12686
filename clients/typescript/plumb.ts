// Talk to a plumb server: chat as with any OpenAI-compatible API, and say what you think of the replies.
// One file, no dependencies: fetch and nothing else. A stock OpenAI client works as well; this one adds feedback.

export interface Message {
  role: "system" | "user" | "assistant" | "tool";
  content: string;
}

/** How the reply is to be chosen; every field is optional. */
export interface Align {
  method?: string;
  n?: number;
  pressure?: number;
  conservatism?: number;
  length?: number;
  budget_tokens?: number;
  deadline_ms?: number;
  candidates?: boolean;
  strict?: boolean;
  seed?: number;
}

/** How the reply was chosen; unknown values are null. */
export interface AlignReply {
  method: string;
  n_drawn: number;
  n_scored: number;
  reward: number | null;
  downgraded_from: string | null;
  [key: string]: unknown;
}

export interface Completion {
  id: string;
  choices: { index: number; message: Message; finish_reason: string }[];
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
  align: AlignReply;
  [key: string]: unknown;
}

export interface Chunk {
  id: string;
  choices: { index: number; delta: { content?: string | null }; finish_reason: string | null }[];
  align?: AlignReply;
  [key: string]: unknown;
}

export interface Vote {
  id: string;
  kind: string;
  generation: string | null;
  stored: "durable" | "spooled";
}

export interface Candidate {
  id: string;
  text: string;
  reward: number | null;
  shown: boolean;
  [key: string]: unknown;
}

export interface ChatOptions {
  model?: string;
  align?: Align;
  signal?: AbortSignal;
  [openai: string]: unknown;
}

/** What the server answered instead of a result: OpenAI's error envelope. */
export class PlumbError extends Error {
  constructor(readonly status: number, error: { message?: string; param?: string | null; code?: string | null }) {
    super(error.message ?? `HTTP ${status}`);
    this.name = "PlumbError";
    this.param = error.param ?? null;
    this.code = error.code ?? null;
  }
  readonly param: string | null;
  readonly code: string | null;
}

export class Plumb {
  private readonly base: string;

  constructor(baseUrl = "http://127.0.0.1:8080", private readonly options: { apiKey?: string; user?: string } = {}) {
    this.base = baseUrl.replace(/\/+$/, "").replace(/\/v1$/, "");
  }

  chat(messages: string | Message[], { signal, ...body }: ChatOptions = {}): Promise<Completion> {
    return this.json("POST", "/v1/chat/completions", this.chatBody(messages, body), signal);
  }

  /** The chunks of a streamed reply; leaving the loop early stops the work on the server. */
  async *stream(messages: string | Message[], { signal, ...body }: ChatOptions = {}): AsyncGenerator<Chunk> {
    const response = await this.send("POST", "/v1/chat/completions", { ...this.chatBody(messages, body), stream: true }, signal);
    for await (const line of lines(response)) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new PlumbError(200, chunk.error);
      yield chunk;
    }
    throw new PlumbError(200, { message: "the stream ended before [DONE]" });
  }

  /** All candidates of a reply, with their scores. */
  generation(id: string): Promise<{ id: string; candidates: Candidate[] }> {
    return this.json("GET", `/v1/generations/${encodeURIComponent(id)}`);
  }

  /** The best reply not yet shown. That you asked is kept as a preference of it over the last one. */
  next(id: string): Promise<Completion> {
    return this.json("POST", `/v1/generations/${encodeURIComponent(id)}/next`, this.withUser({}));
  }

  thumb(id: string, value: 1 | -1): Promise<Vote> {
    return this.vote({ id, kind: "thumb", value });
  }
  rate(id: string, value: 1 | 2 | 3 | 4 | 5): Promise<Vote> {
    return this.vote({ id, kind: "rating", value });
  }
  comment(id: string, text: string): Promise<Vote> {
    return this.vote({ id, kind: "comment", text });
  }
  prefer(id: string, winner: string, losers: string[]): Promise<Vote> {
    return this.vote({ id, kind: "preference", winner, losers });
  }
  /** Candidate ids, the best first. */
  rank(id: string, ranking: string[]): Promise<Vote> {
    return this.vote({ id, kind: "ranking", ranking });
  }
  /** The reply you wanted instead. */
  edit(id: string, text: string): Promise<Vote> {
    return this.vote({ id, kind: "edit", text });
  }
  /** An ideal reply to a prompt that was never asked here. */
  demonstrate(messages: string | Message[], text: string): Promise<Vote> {
    return this.vote({ kind: "demonstration", messages: asMessages(messages), text });
  }
  async revoke(voteId: string): Promise<void> {
    await this.send("DELETE", `/v1/feedback/${encodeURIComponent(voteId)}`);
  }

  /** Training rows in TRL's shapes. */
  async *export(kind: "preference" | "unpaired" | "demonstration"): AsyncGenerator<Record<string, unknown>> {
    const response = await this.send("GET", `/v1/feedback/export?kind=${kind}`);
    for await (const line of lines(response)) if (line.trim()) yield JSON.parse(line);
  }

  private chatBody(messages: string | Message[], body: Record<string, unknown>) {
    return this.withUser({ model: "plumb", ...body, messages: asMessages(messages) });
  }
  private withUser<T extends object>(body: T) {
    return this.options.user === undefined ? body : { user: this.options.user, ...body };
  }
  private vote(body: object): Promise<Vote> {
    return this.json("POST", "/v1/feedback", this.withUser(body));
  }
  private async json<T>(method: string, path: string, body?: object, signal?: AbortSignal): Promise<T> {
    return (await this.send(method, path, body, signal)).json() as Promise<T>;
  }
  private async send(method: string, path: string, body?: object, signal?: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { "Content-Type": "application/json" };
    if (this.options.apiKey) headers.Authorization = `Bearer ${this.options.apiKey}`;
    const init: RequestInit = { method, headers };
    if (body) init.body = JSON.stringify(body);
    if (signal) init.signal = signal;
    const response = await fetch(this.base + path, init);
    if (response.ok) return response;
    const text = await response.text();
    let error: { message?: string } = { message: text.slice(0, 500) };
    try {
      error = JSON.parse(text).error ?? error;
    } catch {
      // not JSON: the text itself is the message
    }
    throw new PlumbError(response.status, error);
  }
}

function asMessages(messages: string | Message[]): Message[] {
  return typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
}

async function* lines(response: Response): AsyncGenerator<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = (rest + value).split("\n");
      rest = parts.pop()!;
      yield* parts;
    }
    if (rest) yield rest;
  } finally {
    await reader.cancel();
  }
}
