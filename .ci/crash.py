"""Kill a plumb server in the middle of load, again and again: what it acknowledged must be there afterwards, once.

Usage: crash.py PLUMB DIR ROUNDS [FLAG…]    flags go to "plumb serve"
"""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

program, folder, rounds, flags = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]


def call(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return response.status, json.load(response)


def start():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen([program, "serve", "--listen", f"127.0.0.1:{port}", "--data", folder, *flags], stderr=subprocess.DEVNULL)
    for _ in range(150):
        try:
            call(url + "/readyz")
            return server, url
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.1)
    sys.exit("crash: the server did not start")


def load(url, worker, acknowledged):
    i = 0
    while True:
        i += 1
        try:
            _, reply = call(url + "/v1/chat/completions", {
                "model": "plumb", "messages": [{"role": "user", "content": f"Hello {worker} {i}"}], "max_tokens": 4})
            acknowledged.append(("generation", reply["id"]))
            vote = {"id": reply["id"], "kind": "thumb", "value": 1, "user": f"user-{worker}"}
            status, receipt = call(url + "/v1/feedback", vote)
            assert status in (200, 202), receipt
            acknowledged.append(("vote", reply["id"], receipt["id"]))
        except (OSError, urllib.error.HTTPError, ValueError):
            return  # the server is gone


def check(url, acknowledged):
    for kind, generation, *vote in acknowledged:
        try:
            if kind == "generation":
                call(f"{url}/v1/generations/{generation}")
                continue
            _, page = call(f"{url}/v1/feedback?generation={generation}")
            ids = [e["id"] for e in page["data"]]
            assert len(ids) == 1, f"crash: {len(ids)} live votes on {generation}"
        except urllib.error.HTTPError as e:
            sys.exit(f"crash: acknowledged {kind} {generation} is lost: {e}")


total, everything = 0, []
server, url = start()
for n in range(rounds):
    acknowledged = []
    workers = [threading.Thread(target=load, args=(url, w, acknowledged)) for w in range(4)]
    for w in workers:
        w.start()
    time.sleep(0.7 + 0.05 * (n % 5))
    server.send_signal(signal.SIGKILL)
    server.wait()
    for w in workers:
        w.join()
    server, url = start()
    check(url, acknowledged)
    total += len(acknowledged)
    everything += acknowledged[-4:]
check(url, everything)
server.terminate()
server.wait()
if total < rounds:
    sys.exit("crash: hardly anything was acknowledged")
print(f"kill -9 of the server, {rounds} rounds: {total} acknowledged records, all there once")
