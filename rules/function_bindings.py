"""The bindings of an Azure function: how a caller of its HTTP trigger authenticates."""

from typing import Any

from scanner.model.exposure import Auth, Lock, grant, possible
from scanner.model.json_paths import MISSING, get_path, is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import ABSENT, Evidence, Unread, not_returned, unknown_value


def function_lock(function: Resource) -> Lock | None:
    """Return the authentication lock of a function by the level of its HTTP trigger, None if it has no such trigger."""
    path = f"functions/{function.name} properties.config.bindings"
    bindings = get_path(function.body, "properties.config.bindings")
    if not isinstance(bindings, list):
        missing = not_returned(path, "them")
        return possible(Auth.anonymous, missing) | possible(Auth.shared, missing)
    lock: Lock | None = None
    for binding in bindings:
        type = get_path(binding, "type")
        if not isinstance(type, str):
            missing = not_returned(f"{path}[].type")
            lock = (lock or Lock()) | possible(Auth.anonymous, missing) | possible(Auth.shared, missing)
        elif same(type, "httpTrigger"):
            lock = (lock or Lock()) | _level(get_path(binding, "authLevel"), f"{path}[].authLevel")
    if lock is None and not any(str(get_path(each, "type")).lower().endswith("trigger") for each in bindings):
        missing = Unread(path, Message("it contains no trigger"))
        return possible(Auth.anonymous, missing) | possible(Auth.shared, missing)
    return lock


def _level(level: Any, path: str) -> Lock:
    seen = Evidence(path, ABSENT if level is MISSING else level, "function")
    if same(level, "anonymous"):
        return grant(Auth.anonymous, seen, description=Message("requires no key"))
    key = grant(Auth.shared, seen, description=Message("accepts a function key, which is copied along with the URL"))
    if same(level, "function") or same(level, "admin"):
        return key
    if is_absent(level):
        # The default is "function" in function.json and "anonymous" in the newer model of Node.js
        # (azure-functions/functions-bindings-http-webhook-trigger).
        return key | possible(Auth.anonymous, Unread(path, Message("its default depends on the language")), seen)
    missing = unknown_value(path, level)
    return possible(Auth.anonymous, missing, seen) | possible(Auth.shared, missing, seen)
