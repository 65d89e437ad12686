"""Talk to a plumb server: chat as with any OpenAI-compatible API, and say what you think of the replies.

One file, standard library only. A stock OpenAI client works as well; this one adds feedback:

    plumb = Plumb("http://127.0.0.1:8080")
    reply = plumb.chat("How do I make tea?", n_drawn=8)
    plumb.thumb(reply["id"], +1)
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Iterator

__all__ = ["Plumb", "PlumbError"]


class PlumbError(Exception):
    """What the server answered instead of a result: OpenAI's error envelope."""

    def __init__(self, status: int, error: dict[str, Any]):
        super().__init__(error.get("message") or f"HTTP {status}")
        self.status = status
        self.param = error.get("param")
        self.code = error.get("code")
        self.type = error.get("type")


class Plumb:
    """A server at base_url (without /v1). Safe to share between threads: it holds no connection."""

    def __init__(self, base_url: str = "http://127.0.0.1:8080", api_key: str | None = None, *, user: str | None = None,
                 timeout: float = 300.0):
        self.base_url = base_url.rstrip("/").removesuffix("/v1")
        self.user = user
        self.timeout = timeout
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"

    # chat

    def chat(self, messages: str | list[dict[str, Any]], *, model: str = "plumb", n_drawn: int | None = None,
             align: dict[str, Any] | None = None, **openai: Any) -> dict[str, Any]:
        """One chat.completion. n_drawn is how many candidates are drawn (align.n); openai takes OpenAI's fields."""
        return self._json("POST", "/v1/chat/completions", self._body(messages, model, n_drawn, align, openai))

    def stream(self, messages: str | list[dict[str, Any]], *, model: str = "plumb", n_drawn: int | None = None,
               align: dict[str, Any] | None = None, **openai: Any) -> Iterator[dict[str, Any]]:
        """The chunks of a streamed reply; the last one before the end carries "align"."""
        body = self._body(messages, model, n_drawn, align, openai) | {"stream": True}
        with self._open("POST", "/v1/chat/completions", body) as response:
            for line in response:
                if not line.startswith(b"data:"):
                    continue
                data = line[5:].strip()
                if data == b"[DONE]":
                    return
                chunk = json.loads(data)
                if "error" in chunk:
                    raise PlumbError(200, chunk["error"])
                yield chunk
        raise PlumbError(200, {"message": "the stream ended before [DONE]"})

    def generation(self, id: str) -> dict[str, Any]:
        """All candidates of a reply, with their scores."""
        return self._json("GET", f"/v1/generations/{urllib.parse.quote(id)}")

    def next(self, id: str) -> dict[str, Any]:
        """The best reply not yet shown, at once. That you asked is kept as a preference of it over the last one."""
        return self._json("POST", f"/v1/generations/{urllib.parse.quote(id)}/next", self._user({}))

    # feedback: each returns the stored vote, whose id revoke() takes

    def thumb(self, id: str, value: int) -> dict[str, Any]:
        """+1 or -1 for a reply (id of a completion or of one candidate)."""
        return self._vote(id=id, kind="thumb", value=value)

    def rate(self, id: str, value: int) -> dict[str, Any]:
        """1 (worst) to 5 (best)."""
        return self._vote(id=id, kind="rating", value=value)

    def comment(self, id: str, text: str) -> dict[str, Any]:
        return self._vote(id=id, kind="comment", text=text)

    def prefer(self, id: str, winner: str, losers: list[str]) -> dict[str, Any]:
        """One candidate of a generation over others of it."""
        return self._vote(id=id, kind="preference", winner=winner, losers=losers)

    def rank(self, id: str, ranking: list[str]) -> dict[str, Any]:
        """Candidate ids, the best first."""
        return self._vote(id=id, kind="ranking", ranking=ranking)

    def edit(self, id: str, text: str) -> dict[str, Any]:
        """The reply you wanted instead."""
        return self._vote(id=id, kind="edit", text=text)

    def demonstrate(self, messages: str | list[dict[str, Any]], text: str) -> dict[str, Any]:
        """An ideal reply to a prompt that was never asked here."""
        return self._vote(kind="demonstration", messages=_messages(messages), text=text)

    def revoke(self, vote_id: str) -> None:
        self._json("DELETE", f"/v1/feedback/{urllib.parse.quote(vote_id)}")

    def votes(self, *, generation: str | None = None, user: str | None = None) -> Iterator[dict[str, Any]]:
        """Live votes, in the order in which they were stored."""
        after = None
        while True:
            query = {k: v for k, v in {"generation": generation, "user": user, "after": after}.items() if v}
            page = self._json("GET", "/v1/feedback?" + urllib.parse.urlencode(query))
            yield from page["data"]
            after = page.get("next")
            if not after:
                return

    def export(self, kind: str, *, sources: list[str] | None = None) -> Iterator[dict[str, Any]]:
        """Training rows in TRL's shapes: kind is preference, unpaired or demonstration."""
        query = [("kind", kind)] + [("source", s) for s in sources or []]
        with self._open("GET", "/v1/feedback/export?" + urllib.parse.urlencode(query)) as response:
            for line in response:
                if line.strip():
                    yield json.loads(line)

    def forget_user(self, user: str) -> dict[str, Any]:
        """Removes everything of a user; needs a key with the scope admin."""
        return self._json("DELETE", f"/v1/users/{urllib.parse.quote(user, safe='')}")

    # how it is sent

    def _body(self, messages, model, n_drawn, align, openai) -> dict[str, Any]:
        body = self._user({"model": model, "messages": _messages(messages), **openai})
        align = dict(align or {})
        if n_drawn is not None:
            align["n"] = n_drawn
        if align:
            body["align"] = align
        return body

    def _user(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.user is not None:
            body.setdefault("user", self.user)
        return body

    def _vote(self, **vote: Any) -> dict[str, Any]:
        return self._json("POST", "/v1/feedback", self._user(vote))

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        with self._open(method, path, body) as response:
            text = response.read()
        return json.loads(text) if text else None

    def _open(self, method: str, path: str, body: Any = None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base_url + path, data, self._headers, method=method)
        try:
            return urllib.request.urlopen(request, timeout=self.timeout)
        except urllib.error.HTTPError as e:
            text = e.read()
            try:
                error = json.loads(text)["error"]
            except (ValueError, KeyError, TypeError):
                error = {"message": text.decode(errors="replace")[:500]}
            raise PlumbError(e.code, error) from None


def _messages(messages: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
