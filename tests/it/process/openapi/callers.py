"""The rules of hooks.py for a gateway that checks tokens, and the answers to whoever has no token that fits.

Each request of a run has a token with the permission that the document names for the operation, and with those that
some of its requests need beside it. It is sent again without a token, and with tokens that don't fit: then it is refused
as the document says, for what is wrong with them.

The file that EVENT_GATEWAY_CALLERS names has the tokens: `unknown`, by the reason for which each is refused; `all`, by
issuer, with every permission; and `only` and `others`, by issuer and permission, with that one alone, and those beside it, or all others.
"""

import json
import os

import requests
import schemathesis
from jsonschema import Draft202012Validator
from schemathesis.core.parameters import ParameterLocation

import hooks

with open(os.environ["EVENT_GATEWAY_CALLERS"], encoding="utf-8") as file:
    TOKENS = json.load(file)
TOKEN, USER = "X-Okapi-Token", "X-Okapi-User-Id"
# The issuer of the operators' tokens, and the operation that only those may call.
OPERATORS, OF_OPERATORS = "ops", "/metrics"

hooks.HEADERS[TOKEN] = TOKENS["all"][hooks.OWN]


def permission(case):
    """The permission that the document names for an operation; None if it is open."""
    names = {name for way in case.operation.definition.raw["security"] for name in sum(way.values(), [])}
    assert len(names) <= 1, names
    return next(iter(names), None)


def issuer(case):
    """The issuer whose token fits the request."""
    if case.operation.path == OF_OPERATORS:
        return OPERATORS
    return hooks.OTHER if (case.headers or {}).get(hooks.TENANT) == hooks.OTHER else hooks.OWN


def has_legal(case, name):
    """Whether the request has a header, and the value is what the document allows, whatever the others are."""
    schemas = [it["schema"] for it in case.operation.definition.raw.get("parameters", []) if it["name"] == name]
    return name in case.headers and all(Draft202012Validator(it).is_valid(case.headers[name]) for it in schemas)


@schemathesis.hook
def before_call(_context, case, _arguments):
    """The request has the token that fits: a tenant that may be one is the token's, and so is a user."""
    name = permission(case)
    if name is None:
        return
    if case.headers is None:
        case.headers = {}
    if has_legal(case, USER):
        case.headers[USER] = TOKENS["user"]
    if has_legal(case, hooks.TENANT) and case.headers[hooks.TENANT] != hooks.OTHER:
        case.headers[hooks.TENANT] = hooks.OWN
    case.headers[TOKEN] = TOKENS["only"][issuer(case)][name]


def misfits(case):
    """The headers with which the request is refused, each with the status, the problem, and the parameter of it."""
    name, own = permission(case), issuer(case)
    yield {}, 401, "token-missing", []
    for reason, token in TOKENS["unknown"].items():
        yield {TOKEN: token}, 401, "token-refused", [{"key": "reason", "value": reason}]
    if not hooks.legal(case, ParameterLocation.HEADER) or not hooks.legal(case, ParameterLocation.PATH):
        # Whatever is wrong with these may be told first.
        return
    lacks = [{"key": "permission", "value": name}]
    yield {TOKEN: TOKENS["others"][own][name]}, 403, "permission-missing", lacks
    if own == OPERATORS:
        yield {TOKEN: TOKENS["only"][hooks.OWN][name]}, 403, "permission-missing", lacks
    elif hooks.TENANT in case.headers:
        other = hooks.OWN if own == hooks.OTHER else hooks.OTHER
        yield {TOKEN: TOKENS["only"][other][name]}, 403, "tenant-mismatch", []
        yield {TOKEN: TOKENS["only"][own][name], USER: "somebody"}, 403, "user-mismatch", []


@schemathesis.check
class WhoeverHasNoTokenThatFitsIsRefused:
    """Each request is refused with each token that doesn't fit, and taken with the one that does."""

    def __init__(self):
        self.session, self.problems, self.tested = requests.Session(), {}, set()

    def after_response(self, _context, response, case):
        if permission(case) is None:
            return
        assert response.status_code not in (401, 403), f"the right token: {response.text}"
        self.tested.add(case.operation.label)
        for headers, status, problem, parameters in misfits(case):
            request = response.request.copy()
            del request.headers[TOKEN]
            request.headers.update(headers)
            answer = self.session.send(request, timeout=30)
            told = f"{case.operation.label}, {problem}, {parameters}: {answer.status_code} {answer.text}"
            assert answer.status_code == status, told
            described = case.operation.definition.raw["responses"].get(str(status))
            assert described is not None, told
            case.operation.validate_response(answer)
            body = answer.json()
            assert body["type"] == f"/problems/{problem}", told
            found = [{"key": it["key"], "value": it["value"]} for it in body["errors"][0]["parameters"]]
            assert found == parameters, told
            challenge = answer.headers.get("WWW-Authenticate", "")
            assert challenge.startswith("Bearer") == (status == 401 or bool(parameters)), told
            assert not challenge or "WWW-Authenticate" in described["headers"], told
            self.problems.setdefault(case.operation.label, set()).add(problem)

    def after_run(self, _context):
        for label in self.tested:
            wanted = {"token-missing", "token-refused", "permission-missing"}
            found = self.problems.get(label, set())
            assert wanted <= found, f"{label} was refused for {sorted(found)} alone"
