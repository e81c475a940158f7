"""Something plain to write, list and watch through the fault proxy."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

MAPS = "/api/v1/namespaces/{}/configmaps"


def create(api: httpx.Client, namespace: str, name: str) -> httpx.Response:
    """Create a config map; the answer may be an error."""
    return api.post(MAPS.format(namespace), json={"metadata": {"name": name}})


def names(api: httpx.Client, namespace: str) -> list[str]:
    """Return what the config maps of a namespace are called."""
    items = api.get(MAPS.format(namespace)).json()["items"]
    return [item["metadata"]["name"] for item in items]


@contextmanager
def watch(api: httpx.Client, namespace: str) -> Iterator[Iterator[dict[str, Any]]]:
    """Watch from now on; a first event, already taken, makes sure that the watch has begun."""
    create(api, namespace, "first").raise_for_status()
    query = {"watch": "true", "timeoutSeconds": "20"}
    with api.stream("GET", MAPS.format(namespace), params=query, timeout=3) as stream:
        events = (json.loads(line) for line in stream.iter_lines())
        assert next(events)["object"]["metadata"]["name"] == "first"
        yield events
