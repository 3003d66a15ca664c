"""Calls what a run of schemathesis can't make, since it has no Kafka: replays, and requests about what is
parked. Each status must be one that the document names, and each answer what it says. An illegal body is
refused as such beside an id that is there, where schemathesis, which guesses ids, takes a 404 as well.

The gateway at the URL of the first argument has two keys that are parked, and events to replay.
"""

import os
import sys
import time

import requests
import schemathesis

URL = sys.argv[1]
PREFIX = f"{os.environ['EVENT_GATEWAY_ENV']}.diku."
HEADERS = {"X-Okapi-Tenant": "diku"}
NOBODY = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a31"
# The longest time that anything may take.
PATIENCE = 60
# Bodies that the document forbids everywhere.
ILLEGAL = ([], "text", {"nobody knows": 1})

document = requests.get(f"{URL}/openapi.json", timeout=30).json()
schema = schemathesis.openapi.from_dict(document)


def call(method, path, status, body=None, **names):
    """Calls an operation, and returns its answer, which must be as the document says."""
    url = URL + path.format(**names)
    answer = requests.request(method, url, headers=HEADERS, json=body, timeout=30)
    told = f"{method} {path}: {answer.status_code} {answer.text}"
    assert answer.status_code == status, told
    assert str(status) in document["paths"][path][method.lower()]["responses"], told
    schema[path][method].validate_response(answer)
    return answer


def until(path, is_so, **names):
    """Calls until an answer is so; each of them is judged."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = call("GET", path, 200, **names).json()
        if is_so(answer):
            return answer
        assert time.monotonic() < deadline, f"{path} still says {answer}"
        time.sleep(0.1)


def with_body(part):
    """The operations that have a body, and that part in their path."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if part in path and "requestBody" in operation:
                yield method.upper(), path


def refused(under, **names):
    """Each operation of these paths that has a body refuses an illegal one."""
    for method, path in with_body(under):
        for body in ILLEGAL:
            call(method, path, 422, body, **names)
        judged.add((method, path))


def parked():
    """One key is released, and one is discarded."""
    one, other = (it["id"] for it in call("GET", "/parked", 200).json()["parked"])
    refused("/parked/{id}/", id=one)
    call("POST", "/parked/{id}/release", 404, {}, id=NOBODY)
    call("POST", "/parked/{id}/discard", 422, {}, id=other)
    call("POST", "/parked/{id}/release", 202, {"reason": "the topic takes it now"}, id=one)
    call("POST", "/parked/{id}/discard", 202, {"reason": "it was a test"}, id=other)
    over = {one: "resolved", other: "discarded"}
    until("/parked", lambda told: over == {it["id"]: it["state"] for it in told["parked"]})
    call("POST", "/parked/{id}/release", 409, {}, id=one)


def replays():
    """One replay is completed, and another is paused, resumed and cancelled."""
    call("POST", "/replays", 200, {"dryRun": True})
    made = call("POST", "/replays", 201, {"target": f"{PREFIX}again"})
    one = made.json()["id"]
    assert made.headers["Location"] == f"/replays/{one}"
    done = until("/replays/{id}", lambda told: told["endedDate"] is not None, id=one)
    assert (done["status"], done["messagesPublished"] > 0) == ("Completed", True), done
    call("POST", "/replays/{id}/pause", 409, {}, id=one)
    slow = {"target": f"{PREFIX}slow", "rate": {"eventsPerSecond": 1}}
    other = call("POST", "/replays", 201, slow).json()["id"]
    refused("/replays/{id}/", id=other)
    call("POST", "/replays/{id}/pause", 202, {}, id=other)
    call("POST", "/replays/{id}/resume", 202, {"rate": {"eventsPerSecond": 2}}, id=other)
    call("POST", "/replays/{id}/cancel", 202, {}, id=other)
    until("/replays/{id}", lambda told: told["status"] == "Cancelled", id=other)
    assert len(call("GET", "/replays", 200).json()["replays"]) == 2
    call("GET", "/replays/{id}", 404, id=NOBODY)


def subscriptions():
    """The form of a group, a commit and a move are refused, though the group is there."""
    call("PUT", "/subscriptions/{group}", 201, {}, group="cg.acts")
    refused("/subscriptions/{group}", group="cg.acts")


judged = set()
parked()
replays()
subscriptions()
left = {*with_body("{id}"), *with_body("{group}")} - judged
assert not left, f"no illegal body was sent to {sorted(left)}"
