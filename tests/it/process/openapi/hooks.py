"""What schemathesis must know of the gateway that no JSON Schema can say.

A request that the document allows is made to fit the rules between its parts: which tenants and
entities there are, that a record has the same key in both states, and so on. Whatever breaks the
document on purpose is left as it is.
"""

import json
import os

import requests
import schemathesis
from schemathesis.core.parameters import ParameterLocation

TENANT = "X-Okapi-Tenant"
# What the perimeter says of the caller, if it has asked for no permission itself.
PERMISSIONS = "X-Okapi-Permissions"
# The tenant that posts and reads, and the one that is enabled, disabled and purged.
OWN, OTHER = "diku", "college"
# The permissions that some requests of an operation need beside its own.
MORE_PERMISSIONS = {
    "PUT /subscriptions/{group}": ["event-gateway.subscriptions.item.events.get"],
    "DELETE /subscriptions/{group}": ["event-gateway.dead-letters.discard.post"],
}
# The topics of `diku` begin with it.
PREFIX = f"{os.environ['EVENT_GATEWAY_ENV']}.diku."
KEY = "k"
# The headers of requests that only prepare one of a run.
HEADERS = {TENANT: OWN}


@schemathesis.serializer("application/x-ndjson")
def lines(_context, value):
    """One item on each line; what is no list is one line."""
    items = value if isinstance(value, list) else [value]
    return "".join(json.dumps(item) + "\n" for item in items).encode()


@schemathesis.hook
def map_case(_context, case):
    if legal(case, ParameterLocation.HEADER) and TENANT in (case.headers or {}):
        case.headers[TENANT] = OWN
    if legal(case, ParameterLocation.PATH):
        fit_path(case)
    if legal(case, ParameterLocation.QUERY):
        fit_query(case)
    if legal(case, ParameterLocation.BODY):
        fit_body(case)
    return case


@schemathesis.hook
def before_call(_context, case, _arguments):
    """The caller has the permission that the document names, no request disables the tenant that
    the others are about, and the group that a request is about is there, with the request as its
    reader's."""
    if PERMISSIONS in (case.headers or {}):
        ways = case.operation.definition.raw["security"]
        names = {name for way in ways for name in sum(way.values(), [])}
        names.update(MORE_PERMISSIONS.get(case.operation.label, []))
        case.headers[PERMISSIONS] = json.dumps(sorted(names))
    if case.operation.path.startswith("/_/") and (case.headers or {}).get(TENANT) == OWN:
        case.headers[TENANT] = OTHER
    places = (ParameterLocation.PATH, ParameterLocation.QUERY, ParameterLocation.BODY)
    if "{group}/" not in case.operation.path or not all(legal(case, it) for it in places):
        return
    base = case.operation.base_url.rstrip("/")
    group = f"{base}/subscriptions/{case.path_parameters['group']}"
    if not case.operation.path.endswith("/events"):
        # Nobody else reads for the group, so that it can be read or moved.
        requests.delete(group, headers=HEADERS, timeout=30)
    else:
        # Another request may have paused it.
        requests.post(f"{group}/resume", headers=HEADERS, timeout=30)
    # A webhook that another request has asked for would stay.
    requests.put(group, json={"handler": None}, headers=HEADERS, timeout=30)
    if not case.operation.path.endswith(("/commits", "/reader")):
        return
    polled = requests.get(f"{group}/events?reader=r", headers=HEADERS, timeout=30).json()
    if case.operation.path.endswith("/commits") and isinstance(case.body, dict):
        case.body.update(position=polled["position"], generation=polled["generation"])
    elif case.operation.path.endswith("/reader"):
        case.query["generation"] = str(polled["generation"])


def legal(case, place):
    """Whether a part of the request is what the document allows."""
    return case.meta is None or not case.meta.is_negative_at(place)


def fit_path(case):
    """Names of producers, entities and groups that are there, or are few."""
    names = case.path_parameters or {}
    if "entity" in names:
        names.update(producer="inventory", entity="instance")
    if "event" in names:
        names.update(producer="data-import", event="DI_COMPLETED")
    if "group" in names:
        names["group"] = f"cg.{len(str(names['group'])) % 3}"


def fit_query(case):
    query = case.query or {}
    # A poll would wait for that long, and so would a look at a job.
    if "wait" in query:
        query["wait"] = "0"
    # Unless MongoDB is a sink, `hexkit` is none.
    if "sink" in query:
        query["sink"] = "relay"


def fit_body(case):
    path, body = case.operation.path, case.body
    if path in ("/domain-events/{producer}/{entity}", "/process-events/{producer}/{event}"):
        for item in body if isinstance(body, list) else [body]:
            fit_change(item)
    elif not isinstance(body, dict):
        return
    elif path == "/replays":
        fit_replay(body)
    elif path == "/erasures":
        body["producer"] = "inventory" if body.get("entity") else "data-import"
        body.update({"entity": "instance"} if body.get("entity") else {"event": "DI_COMPLETED"})
    elif path == "/_/tenant":
        fit_tenant(body)
    elif path == "/subscriptions/{group}":
        fit_subscription(body)


def fit_change(item):
    """The key stands in both states, and again as `id`. No header is given in two cases."""
    if not isinstance(item, dict):
        return
    for state in ("old", "new"):
        if isinstance(item.get(state), dict):
            item[state]["id"] = KEY
    if item.get("id") is not None:
        item["id"] = KEY
    # Any other content under the same id would be a conflict.
    item.pop("eventId", None)
    if isinstance(item.get("headers"), dict):
        item["headers"] = {name.lower(): value for name, value in item["headers"].items()}


def fit_replay(body):
    """Ranges that are not empty, and a target of the tenant's own; without one, no upper end."""
    if body.get("from") and body.get("to"):
        del body["to"]
    positions = body.get("positions")
    if isinstance(positions, dict) and positions.get("from") and positions.get("to"):
        del positions["to"]
    if body.get("target"):
        body["target"] = PREFIX + "again"
        return
    for name in ("types", "to", "pendingOnly"):
        body.pop(name, None)
    if isinstance(positions, dict):
        positions.pop("to", None)


def fit_subscription(body):
    """A failure policy and claims need a handler, which commits by itself, and leads nowhere."""
    if not isinstance(body.get("handler"), dict):
        body.pop("failure", None)
        body.pop("deduplicate", None)
        return
    body.pop("autoCommit", None)
    if isinstance(body["handler"].get("webhook"), dict):
        body["handler"]["webhook"]["url"] = "http://127.0.0.1:9/"
    failure = body.get("failure")
    if isinstance(failure, dict):
        # The longest wait is none below the first.
        failure.pop("waitMsMax", None)
        if failure.get("policy") != "retry":
            failure.pop("order", None)


def fit_tenant(body):
    """A tenant is purged without `module_to`; the gateway's own parameters are true or false, or a
    reason, which isn't empty."""
    if body.get("module_to") and body.get("purge"):
        body["purge"] = False
    for parameter in body.get("parameters") or []:
        if parameter.get("key") in ("force", "deleteObsoleteTopics", "reason"):
            parameter["value"] = "true"


@schemathesis.check
class EveryOperationIsTaken:
    """Each operation succeeded once at least, unless it needs what the run can't make."""

    # There is no broker, so that nothing is replayed or parked: acts.py calls these beside a Kafka.
    # No handler fails at an event: the stories `http::handlers` have some that did.
    NEVER = (
        "/replays",
        "/parked/{id}/",
        "/subscriptions/{group}/skip",
        "/subscriptions/{group}/dead-letters/{position}",
    )

    def __init__(self):
        self.tested, self.taken = set(), set()

    def after_response(self, _context, response, case):
        name = case.operation.label
        self.tested.add(name)
        if response.status_code < 300:
            self.taken.add(name)

    def after_run(self, _context):
        missing = self.tested - self.taken
        missing = [it for it in missing if not it.split()[1].startswith(self.NEVER)]
        assert not missing, f"never taken: {sorted(missing)}"
