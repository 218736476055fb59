#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""openapi.py SOCKET ORIGIN WRITE-TOKEN READ-TOKEN SERVICE-ADDRESS: holds a running shuntd against its own description.

Every operation of /api/v1/openapi.json is asked, and every answer, good or bad, must be of a status and a document that the
description has for it; every status that it has anywhere must have been seen. Needs groups "app" (b1, b2, mode active-passive) and a
service "web". Prints a summary; what does not hold goes to stderr, and the exit status is 1.
"""
import collections
import http.client
import json
import re
import socket
import sys
import time

import jsonschema

SOCKET, ORIGIN, WRITE, READ, SERVICE = sys.argv[1:]
READERS_MAX = 32
NEVER_PROVOKED = {"500"}  # without memory, or with a data path that fails
NEVER_SEEN = {"Proposal", "Score"}  # documents that this world has no instance of; tests/unit/test_json.c has
problems, statuses, asked, seen = [], collections.Counter(), set(), set()


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(SOCKET)


def raw(method, path, body=None, token=None, headers=None):
    """Over TCP when there is a token ("" is none), else over the socket. Returns status, headers and body."""
    connection = UnixConnection("localhost") if token is None else http.client.HTTPConnection(ORIGIN, timeout=10)
    headers = dict(headers or {}, **({"Authorization": "Bearer " + token} if token else {}))
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    if response.getheader("Content-Type", "").startswith("text/event-stream"):
        return response.status, response.headers, response.fp.readline().decode()
    return response.status, response.headers, response.read().decode()


def open_stream():
    connection = UnixConnection("localhost")
    connection.request("GET", "/api/v1/events/stream")
    connection.getresponse().fp.readline()
    return connection


document = json.loads(raw("GET", "/api/v1/openapi.json")[2])


def resolve(node):
    while "$ref" in node:
        target = document
        for key in node["$ref"].lstrip("#/").split("/"):
            target = target[key]
        node = target
    return node


def note_seen(schema, instance):
    """Which schemas have had an instance of their own."""
    name = schema.get("$ref", "").rpartition("/")[2]
    schema = resolve(schema)
    if "anyOf" in schema:
        return note_seen(schema["anyOf"][0], instance) if instance is not None else None
    if name:
        seen.add(name)
    for item in instance if isinstance(instance, list) else []:
        note_seen(schema.get("items", {}), item)
    for key, value in instance.items() if isinstance(instance, dict) else []:
        note_seen(schema.get("properties", {}).get(key, {}), value)


def judge(operation, label, status, headers, body):
    statuses[str(status)] += 1
    response = operation["responses"].get(str(status))
    if response is None:
        problems.append(f"{label}: {status} is not described ({body[:100]})")
        return
    if "content" not in resolve(response):
        return
    (media, content), = resolve(response)["content"].items()
    if not headers.get("Content-Type", "").startswith(media):
        problems.append(f"{label}: {status}: {headers.get('Content-Type')} instead of {media}")
    if media != "application/json":
        return
    try:
        instance = json.loads(body)
    except ValueError:
        problems.append(f"{label}: {status}: not JSON: {body[:100]!r}")
        return
    schema = dict(content["schema"], components=document["components"])
    for error in jsonschema.Draft202012Validator(schema).iter_errors(instance):
        problems.append(f"{label}: {status}: {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}")
    note_seen(content["schema"], instance)


def ask(method, template, body=None, name="", query="", expected=200, **how):
    asked.add((method.lower(), template))
    operation = document["paths"][template][method.lower()]
    path = template.replace("{name}", name) + query
    text = body if body is None or isinstance(body, str) else json.dumps(body)
    status, headers, answer = raw(method, path, text, **how)
    if status != expected:
        problems.append(f"{method} {path}: {status} instead of {expected} ({answer[:200]})")
    judge(operation, f"{method} {path}", status, headers, answer)
    return headers, answer


def check_description():
    """What OpenAPI 3.1 asks of a description beyond JSON Schema's own rules."""
    if document["openapi"] != "3.1.0" or not document["info"]["title"] or not document["info"]["version"]:
        problems.append("no OpenAPI 3.1.0 with a title and a version")
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
            problems.append(f"schema {name}: not a name")
    for path, item in document["paths"].items():
        for method, operation in item.items():
            names = {p["name"] for p in operation["parameters"] if p["in"] == "path" and p["required"]}
            if names != set(re.findall(r"{(\w+)}", path)) or not path.startswith("/"):
                problems.append(f"{method} {path}: parameters of the path are {names}")
            if not operation["responses"] or any("description" not in resolve(r) for r in operation["responses"].values()):
                problems.append(f"{method} {path}: a response without a description")
            if method == "get" and "requestBody" in operation:
                problems.append(f"{method} {path}: a GET with a body")
    for reference in re.findall(r'"\$ref": "([^"]*)"', json.dumps(document)):
        try:
            resolve({"$ref": reference})
        except KeyError:
            problems.append(f"{reference} leads nowhere")


V1 = "/api/v1/"


def ask_all():
    """Each operation once as it should be."""
    ask("GET", "/")
    ask("GET", "/health")
    ask("GET", "/metrics")
    for noun, name in (("services", "web"), ("groups", "app"), ("backends", "b1")):
        ask("GET", V1 + noun)
        ask("GET", V1 + noun + "/{name}", name=name)
    for noun in ("openapi.json", "status", "events", "events/stream", "access", "maps", "flows"):
        ask("GET", V1 + noun)
    ask("GET", V1 + "explain", query=f"?proto=tcp&src=10.77.0.1:4000&dst={SERVICE}:80")
    ask("POST", V1 + "deny", {"prefixes": ["198.18.0.0/15"], "for": "1h"})
    ask("GET", V1 + "deny")
    ask("DELETE", V1 + "deny", query="?prefix=198.18.0.0/15")
    group = {"name": "posted", "mode": "active-active", "backends": ["b1", "b2"], "health_check": {"type": "none"}}
    ask("POST", V1 + "groups", group, expected=201)
    ask("DELETE", V1 + "groups/{name}", name="posted")
    ask("POST", V1 + "groups/{name}/primary", {"backend_id": "b2"}, name="app", query="?dry_run=1")
    ask("POST", V1 + "groups/{name}/failover", {"to": "b2"}, name="app")
    ask("POST", V1 + "groups/{name}/failback", name="app")
    ask("POST", V1 + "backends/{name}/drain", {"dry_run": True}, name="b1")
    ask("POST", V1 + "backends/{name}/drain", {"timeout": "5m"}, name="b2")
    ask("POST", V1 + "backends/{name}/ready", name="b2")
    ask("POST", V1 + "backends/{name}/maint", {"for": "1m"}, name="b2")
    ask("POST", V1 + "backends/{name}/ready", name="b2")
    ask("POST", V1 + "backends/{name}/weight", {"weight": 50}, name="b1")
    watcher = json.loads(ask("POST", V1 + "trace", {"service": "web", "bytes": True})[1])["watcher"]
    deadline = time.monotonic() + 10
    while not json.loads(ask("GET", V1 + "trace/{name}", name=watcher)[1])["packets"] and time.monotonic() < deadline:
        time.sleep(0.02)
    ask("DELETE", V1 + "trace/{name}", name=watcher)
    ask("POST", V1 + "reload", {"dry_run": True})
    ask("POST", V1 + "reload")
    backup = json.loads(ask("POST", V1 + "backup")[1])
    with open(backup["state_dir"] + "/restore.json", "w", encoding="utf-8") as file:
        json.dump(backup["backup"], file)
    ask("POST", V1 + "restore", {"force": False})


def check_rights():
    """What changes nothing is a GET, for which any token does; all else needs the one to write, whatever the description says."""
    for path, item in document["paths"].items():
        for method in item:
            where = path.replace("{name}", "nobody")
            open_to_all = path == "/"  # the page holds no data
            without = raw(method.upper(), where, token="")[0]
            reading = raw(method.upper(), where, token=READ)[0]
            if (without == 401) == open_to_all:
                problems.append(f"{method} {path}: {without} without a token")
            if (reading == 403) != (method != "get"):
                problems.append(f"{method} {path}: {reading} with the token to read")


def ask_wrongly():
    """Each refusal that is described."""
    ask("POST", V1 + "backends/{name}/weight", {"weight": "heavy"}, name="b1", expected=400)
    ask("POST", V1 + "backends/{name}/weight", "{", name="b1", expected=400)
    ask("GET", V1 + "explain", query="?proto=tcp", expected=400)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            name = "nobody" if "{name}" in path else ""
            if "401" in operation["responses"]:
                ask(method.upper(), path, name=name, token="", expected=401)
                ask(method.upper(), path, name=name, token="wrong", expected=401)
            if "403" in operation["responses"]:
                ask(method.upper(), path, name=name, token=READ, expected=403)
            if "404" in operation["responses"] and name and method == "get":
                ask(method.upper(), path, name=name, token=WRITE, expected=404)
    ask("POST", V1 + "groups/{name}/failover", {"to": "b1"}, name="app", headers={"If-Match": '"0"'}, expected=412)
    ask("POST", V1 + "groups", {"name": "app"}, headers={"If-Match": '"0"'}, expected=412)
    tag = ask("GET", V1 + "groups/{name}", name="app")[0]["ETag"]
    ask("POST", V1 + "groups/{name}/failover", {"dry_run": True}, name="app", headers={"If-Match": tag})
    ask("DELETE", V1 + "groups/{name}", name="app", expected=409)
    ask("POST", V1 + "backends/{name}/drain", " " * 4000000, name="b1", expected=413)
    ask("GET", V1 + "events", query="?since=" + "0" * 60000, expected=414)
    ask("GET", V1 + "events", headers={"X-Long": "x" * 40000}, expected=431)
    crowd = [open_stream() for _ in range(READERS_MAX)]
    ask("GET", V1 + "events/stream", expected=503)
    for connection in crowd:
        connection.close()
    for path, item in document["paths"].items():
        wrong = ({"put", "delete", "post", "get"} - set(item)).pop().upper()
        status, headers, body = raw(wrong, path.replace("{name}", "b1"))
        statuses[str(status)] += 1
        allowed = set(headers.get("Allow", "").split(", ")) - {"HEAD"}
        if status != 405 or not allowed >= {method.upper() for method in item}:
            problems.append(f"{wrong} {path}: {status}, Allow: {headers.get('Allow')}")


check_description()
check_rights()
ask_all()
ask_wrongly()
ask("POST", V1 + "detach")
described = {(method, path) for path, item in document["paths"].items() for method in item}
described_statuses = {s for item in document["paths"].values() for o in item.values() for s in o["responses"]} | {"405"}
problems += [f"{method} {path}: never asked" for method, path in sorted(described - asked)]
problems += [f"status {s}: never answered" for s in sorted(described_statuses - set(statuses) - NEVER_PROVOKED)]
problems += [f"{name}: no instance of it was seen" for name in sorted(set(document["components"]["schemas"]) - seen - NEVER_SEEN
                                                                     - {"NewGroup"})]
print(f"{len(described)} operations, {len(seen)} documents, {sum(statuses.values())} answers: " +
      ", ".join(f"{n} x {s}" for s, n in sorted(statuses.items())))
for problem in problems:
    print(problem, file=sys.stderr)
sys.exit(bool(problems))
