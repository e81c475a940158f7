"""Strategies: valid documents of which something is spoiled, in their structure or their bytes."""

import copy
import json
import math
from pathlib import Path
from typing import Any, Final

import yaml
from hypothesis import strategies as st

ROOT: Final = Path(__file__).parents[2]
DEVICES: Final[list[dict[str, Any]]] = json.loads(
    (ROOT / "fixtures" / "tailnet" / "devices.json").read_text()
)["devices"]
RESOURCES: Final[list[dict[str, Any]]] = [
    document
    for path in sorted((ROOT / "examples").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]
CONFIGURATION: Final[dict[str, Any]] = {
    "instance": "blue",
    "mode": "Observe",
    "logging": {"level": "info", "format": "json"},
    "listen": {"health": ":8080", "metrics": "[::1]:9090"},
    "deniedCIDRs": ["10.42.0.0/16", "fd00:10::/48"],
    "pod": {"name": "a", "uid": "b", "namespace": "c"},
    "tailnets": [
        {
            "name": "company.ts.net",
            "controlPlane": "Tailscale",
            "baseURL": "https://api.tailscale.com",
            "tailnet": "-",
            "domains": ["company.ts.net", "old.ts.net"],
            "credentials": {"directory": "/nonexistent"},
            "pollInterval": "60s",
            "tagKeys": ["env", "service-type"],
            "grants": [{"namespaces": ["web-*"], "tags": ["tag:env-*"]}],
            "removal": {"policy": "Confirm", "maxPercent": 30, "confirmations": 3},
        }
    ],
}


def _nested(depth: int, kind: str) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return value


STRANGE_TEXTS: Final = (
    *("", " ", "\0", "\x1b[2J", "a\nb", "\ud800", "\U0010ffff", "\ufeff", "\u202e", "é" * 300),
    *("null", "~", "true", "NaN", "0x1F", "1:30", "2026-11-25", "0001-01-01T00:00:00Z", "=", "<<"),
    *("9999-12-31T23:59:59-14:00", "0000-00-00T00:00:00Z", "2016-12-31T23:59:60Z", "tag:", "tag:*"),
    *("100.64.0.1/32", "0100.64.0.1", "100.64.0.1%eth0", "::ffff:100.64.0.1", "fd7a::1%1", "::"),
    *("1" * 5000, "x" * 70_000, "../../etc/passwd", "file:///%00", "https://[::1", "http://:x@y:z"),
)
STRANGE: Final[st.SearchStrategy[Any]] = (
    st.sampled_from([None, True, False, 0, -1, 2**31, 2**63, -(2**64), 10**400, 10**4000])
    | st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -0.0, 0.5])
    | st.sampled_from(STRANGE_TEXTS)
    | st.text(max_size=12)
    | st.builds(_nested, st.sampled_from([1, 3, 99, 101, 120]), st.sampled_from(["list", "map"]))
    | st.sampled_from(
        [[], {}, [None], [[]], {"": None}, {"a": {}}, [1, "1", 1.0, True], ["a"] * 50]
    )
)


@st.composite
def spoiled(draw: st.DrawFn, documents: list[Any]) -> Any:
    """Draw a document in which up to four places are changed, dropped, renamed or swapped."""
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(document))
        if not places:
            break
        holder, step = places[draw(st.integers(0, len(places) - 1))]
        other, at = places[draw(st.integers(0, len(places) - 1))]
        match draw(st.sampled_from(["replace", "drop", "swap", "wrap", "shape"])):
            case "replace":
                texts = isinstance(holder[step], str) and draw(st.booleans())
                kind = st.sampled_from(STRANGE_TEXTS) if texts else STRANGE
                holder[step] = copy.deepcopy(draw(kind))
            case "drop":
                del holder[step]
            case "swap":
                holder[step] = copy.deepcopy(other[at])
            case "wrap":
                holder[step] = [holder[step]]
            case "shape":
                _reshape(holder, step, draw(st.sampled_from(STRANGE_TEXTS)))
    return document


def _reshape(holder: Any, step: Any, name: str) -> None:
    """Give a field another name, or its own in capitals; repeat an item of a list."""
    if isinstance(holder, dict):
        holder[name or step.upper()] = holder.pop(step)
    else:
        holder += [holder[step]] * 3


def _places(value: Any) -> Any:
    """Yield every place of a document as its holder and the step into it."""
    steps = value.keys() if isinstance(value, dict) else range(len(value))
    for step in list(steps):
        yield value, step
        if isinstance(value[step], dict | list):
            yield from _places(value[step])


@st.composite
def damaged(draw: st.DrawFn, contents: st.SearchStrategy[bytes]) -> bytes:
    """Draw bytes of which up to three stretches are cut, doubled, overwritten or put before."""
    content = draw(contents)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(len(content), start + 40)))
        match draw(st.sampled_from(["truncate", "drop", "double", "put", "mark"])):
            case "truncate":
                content = content[:start]
            case "drop":
                content = content[:start] + content[end:]
            case "double":
                content = content[:end] + content[start:]
            case "put":
                content = content[:start] + draw(st.binary(max_size=4)) + content[end:]
            case "mark":
                mark = draw(st.sampled_from([b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\0"]))
                content = mark + content
    return content


def as_json(value: Any) -> bytes:
    """Write JSON as a careless server does: NaN, lone surrogates and all."""
    return json.dumps(value).encode()


def as_yaml(value: Any) -> bytes:
    """Write YAML, whose aliases stand for what occurs twice."""
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=False, default_flow_style=None).encode()


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    int,
    lambda dumper, value: dumper.represent_scalar(
        "tag:yaml.org,2002:int", hex(value) if abs(value) > 2**64 else str(value)
    ),
)

TAGS: Final = ("!!int ", "!!float ", "!!bool ", "!!null ", "!!str ", "!!set ", "!!binary ", "!x ")
SCALARS: Final = (
    *('""', "''", "-", "a", "~", "=", "0x", "0b", "0o8", "1:0", ".inf", "-.nan", "1e999", "9" * 50),
    *('"\\U00110000"', '"\\ud83d"', '"\\x00"', "|2\n", ">-\n", "[]", "{}", "*a", "&a [*a]", "\t"),
)
KEYS: Final = (
    *("apiVersion", "kind", "metadata", "spec", "items", "name", "tailnet", "endpoints", "port"),
    *("tailnets", "instance", "mode", "removal", "maxPercent", "pollInterval", "deniedCIDRs"),
    *("<<", "? &a", "&b c", "!!int 1", "[a]", '"\\ud800"', "''"),
)
PIECES: Final = (
    *("&a ", "*a", "<<: *a\n", "<<: [*a, *a]", "? ", "- ", ": ", ", ", "{", "}", "[", "]", "\n"),
    *("\n  ", '"', "'", "# ", "---\n", "...\n", "%YAML 1.1\n---\n", "%TAG ! tag:a,2000:\n---\n"),
    *("\ufeff", "\u2028", "\u0085", "\x1b", "kind: TailscaleEndpoints\n", "metadata: {name: a}\n"),
    *("apiVersion: gateway.tailscale.com/v1alpha1\n", "kind: List\nitems: ", *TAGS, *SCALARS),
)
_LINES: Final = st.builds(
    "{}{}: {}{}\n".format,
    st.sampled_from(["", "  ", "- ", "  - "]),
    st.sampled_from(KEYS),
    st.sampled_from(["", *TAGS]),
    st.sampled_from(SCALARS),
)
PIECED: Final = st.lists(st.sampled_from(PIECES) | _LINES, max_size=12).map("".join)
