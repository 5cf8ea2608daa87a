#!/usr/bin/env python3
"""Measures the object catalogue over HTTP (imports, list pages, searches, syncs), and reads that run meanwhile.

    make build && bench/catalogue.py
    bench/catalogue.py --store '{type: postgres, url: {env: DATABASE_URL}, schema: pointgate_bench}'

Starts the release binary with the mock adapter and a store of its own for each kind of import, and prints a table.
A PostgreSQL schema has to be empty. The CSV import and the sync then add to the objects of the first import.
"""

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import os
import secrets
import statistics
import subprocess
import tempfile
import threading
import time
from urllib.parse import quote

CONFIGURATION = """\
version: 1
listen: {address: "127.0.0.1:0", max_body_size: 256MiB, body_timeout: 60s}
admin: {address: "127.0.0.1:0"}
log: {level: warning}
auth: {keys: [{alg: HS256, secret: {env: JWT_SECRET}}]}
store: STORE
adapters: {house: {type: mock, settings: {points: POINTS, token_life: 24h}}}
defaults: {adapter: house, timeout: 120s}
routes:
  - {method: POST, path: /api/iot/codes/values, operation: values}
  - {path: /api/objects, operation: objects}
"""

TYPES = ["sensor", "actuator", "meter", "virtual"]


class Gateway:
    """One running process, and a persistent connection to it."""

    def __init__(self, binary, store, points):
        self.folder = tempfile.TemporaryDirectory(prefix="pointgate-bench-")
        secret = secrets.token_hex(32)
        path = os.path.join(self.folder.name, "gateway.yaml")
        with open(path, "w") as file:
            file.write(CONFIGURATION.replace("STORE", store).replace("POINTS", str(points)))
        self.process = subprocess.Popen(
            [os.path.abspath(binary), "run", "-c", path], stdout=subprocess.PIPE, text=True,
            cwd=self.folder.name, env={**os.environ, "JWT_SECRET": secret})
        words = self.process.stdout.readline().split()
        if words[:1] != ["ready"]:
            raise SystemExit("the gateway did not start; see its output above")
        self.address = words[1].removeprefix("http://")
        self.token = jwt(secret)
        self.connection = self.connect()

    def connect(self):
        return http.client.HTTPConnection(self.address, timeout=300)

    def send(self, method, path, body=None, kind="application/json", connection=None):
        connection = connection or self.connection
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = kind
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    def expect(self, status, method, path, body=None, kind="application/json"):
        got, headers, response = self.send(method, path, body, kind)
        if got != status:
            raise SystemExit(f"{method} {path}: {got} instead of {status}: {response[:500]!r}")
        return headers, response

    def memory(self):
        """Returns the peak memory of the process in MiB."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) // 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.folder.cleanup()


def jwt(secret):
    def encoded(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    now = int(time.time())
    claims = {"sub": "bench", "iat": now, "exp": now + 86400}
    text = encoded(b'{"alg":"HS256","typ":"JWT"}') + b"." + encoded(json.dumps(claims).encode())
    return (text + b"." + encoded(hmac.new(secret.encode(), text, hashlib.sha256).digest())).decode()


def rows(count, prefix):
    for n in range(count):
        # Not in the order of the codes: an import has to sort.
        number = n * 7919 % count if count % 7919 else n
        code = f"{prefix}_{number // 100:04}_AI_{number:07}"
        yield code, f"Floor {number // 1000} supply air {number}", TYPES[number % 4], f"Point {number}", number


def as_json(count, prefix):
    return json.dumps([
        {"code": code, "name": name, "type": type, "description": text,
         "metadata": {"unit": "°C", "range": {"min": -20, "max": 60}, "writable": n % 2 == 0, "device": n // 100}}
        for code, name, type, text, n in rows(count, prefix)], ensure_ascii=False).encode()


def as_csv(count, prefix):
    lines = ["code,name,type,description,metadata"]
    for code, name, type, text, n in rows(count, prefix):
        writable = "true" if n % 2 == 0 else "false"
        metadata = '{""unit"":""°C"",""range"":{""min"":-20,""max"":60},""writable"":%s,""device"":%d}' % (
            writable, n // 100)
        lines.append(f'{code},{name},{type},"{text}","{metadata}"')
    return ("\r\n".join(lines) + "\r\n").encode()


def row(what, figure, remark=""):
    print(f"{what:<44} {figure:>22}   {remark}", flush=True)


def timed(action):
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def once(what, gateway, status, method, path, body=None, kind="application/json", remark=""):
    with Reads(gateway) as reads:
        seconds, (_, response) = timed(lambda: gateway.expect(status, method, path, body, kind))
    row(what, f"{seconds:.2f} s", f"{remark}  {reads}".strip())
    return response


class Reads:
    """Measures calls that read values from the adapter while a large operation runs."""

    def __init__(self, gateway):
        self.gateway, self.times, self.done = gateway, [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        connection, body = self.gateway.connect(), b'{"codes":["C_5001_AV_0001"]}'
        while not self.done.is_set():
            seconds, (status, _, _) = timed(lambda: self.gateway.send(
                "POST", "/api/iot/codes/values", body, connection=connection))
            self.times.append(seconds if status == 200 else float("inf"))
            self.done.wait(0.005)
        connection.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def __str__(self):
        return f"[reads meanwhile: {figures(self.times)}]"


def figures(times):
    ordered = sorted(times)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return f"p50 {statistics.median(ordered) * 1000:.2f} ms, p99 {p99 * 1000:.2f} ms"


def many(what, gateway, path, repeat, method="GET", body=None, status=200):
    """Repeats a call over one connection; `path` and `body` may be functions of the number of the call."""
    times, size = [], 0
    for n in range(repeat):
        here = path(n) if callable(path) else path
        text = body(n) if callable(body) else body
        seconds, (_, response) = timed(lambda: gateway.expect(status, method, here, text))
        times.append(seconds)
        size = len(response)
    row(what, figures(times), f"{size} bytes")


def walk(gateway):
    """Reads every page of 1000. Returns the number of objects and the paths of the pages."""
    paths, path, seen = [], "/api/objects?limit=1000", 0
    while path:
        paths.append(path)
        headers, response = gateway.expect(200, "GET", path)
        seen += len(json.loads(response))
        link = headers.get("Link")
        path = link[link.index("<") + 1:link.index(">")] if link else None
    return seen, paths


def lists(gateway, count, repeat, ids):
    seconds, (seen, paths) = timed(lambda: walk(gateway))
    if seen < count:
        raise SystemExit(f"only {seen} of {count} objects were listed")
    row("list all, pages of 1000", f"{seconds:.2f} s", f"{seen} objects, {len(paths)} pages")
    middle = paths[len(paths) // 2].replace("limit=1000", "limit=100")
    many("first page of 100", gateway, "/api/objects", repeat)
    many("page of 100 in the middle", gateway, middle, repeat)
    many("page of 1000 in the middle", gateway, paths[len(paths) // 2], repeat // 4)
    many("page of 100 of one type", gateway, "/api/objects?type=meter", repeat)
    many("search, many hits", gateway, "/api/objects?q=" + quote("SUPPLY AIR"), repeat)
    many("search, one hit", gateway, f"/api/objects?q=AI_{count // 2:07}", repeat // 4)
    many("search, no hit", gateway, "/api/objects?q=nowhere", repeat // 4)
    many("search in one type, no hit", gateway, "/api/objects?type=meter&q=nowhere", repeat // 4)
    many("read one", gateway, lambda n: f"/api/objects/{ids[n % len(ids)]}", repeat)
    many("patch one", gateway, lambda n: f"/api/objects/{ids[n % len(ids)]}", repeat, "PATCH",
         lambda n: json.dumps({"metadata": {"note": n}}))
    many("create one", gateway, "/api/objects", repeat, "POST",
         lambda n: json.dumps({"code": f"new-{secrets.token_hex(8)}", "name": f"New {n}"}), 201)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--binary", default=".build/release/pointgate")
    arguments.add_argument("--store", default="{type: sqlite, path: bench.db}", help="the section 'store', as YAML")
    arguments.add_argument("--objects", type=int, default=100_000)
    arguments.add_argument("--repeat", type=int, default=200, help="the number of requests for each list page")
    options = arguments.parse_args()
    count = options.objects

    def gateway():
        return Gateway(options.binary, options.store, count)

    print(f"{count} objects, store {options.store}, {os.cpu_count()} cores\n")
    with gateway() as running:
        body = as_json(count, "J")
        response = once("import, JSON", running, 201, "POST", "/api/objects/import", body,
                      remark=f"{len(body) / 1e6:.0f} MB")
        items = json.loads(response)["items"]
        row("  peak memory of the process", f"{running.memory()} MiB")
        once("the same again: every code exists", running, 422, "POST", "/api/objects/import", body)
        lists(running, count, options.repeat, [item["id"] for item in items[:: max(1, count // 500)]])
    with gateway() as running:
        body = as_csv(count, "K")
        once("import, CSV", running, 201, "POST", "/api/objects/import", body, "text/csv",
             remark=f"{len(body) / 1e6:.0f} MB")
        row("  peak memory of the process", f"{running.memory()} MiB")
    with gateway() as running:
        sync = "/api/objects/sync?adapter=house"
        once("sync, dry run", running, 200, "POST", sync + "&dryRun=true")
        once("sync, everything is new", running, 200, "POST", sync)
        once("sync, nothing has changed", running, 200, "POST", sync)
        row("  peak memory of the process", f"{running.memory()} MiB")


if __name__ == "__main__":
    main()
