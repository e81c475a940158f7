import re
from pathlib import Path

from prometheus_client import Metric

from discovery.metrics import Metrics

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "metrics.md").read_text()
OURS = re.compile(r"tailnet_discovery_\w+")


def families(metrics: Metrics) -> list[Metric]:
    found = metrics.registry.collect()
    return sorted((m for m in found if OURS.match(m.name)), key=lambda m: m.name)


def spelled(family: Metric) -> str:
    return family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")


def labels(family: Metric) -> list[str]:
    return [name for name in family.samples[0].labels if name != "le"]


def row(family: Metric) -> str:
    kind = {"info": "gauge"}.get(family.type, family.type)
    listed = ", ".join(f"`{name}`" for name in labels(family))
    return f"| `{spelled(family)}` | {kind} | {listed} | {family.documentation} |\n"


def test_the_table_in_the_documentation_is_current(busy: Metrics) -> None:
    table = "".join(row(family) for family in families(busy))

    assert f"| --- | --- | --- | --- |\n{table}\n" in PAGE


def test_every_metric_is_fed_by_a_method(busy: Metrics) -> None:
    assert [family.name for family in families(busy) if not family.samples] == []


def test_no_label_is_about_one_device_or_one_resource(busy: Metrics) -> None:
    used = {label for family in families(busy) for label in labels(family)}

    assert used == {
        "action",
        "answer",
        "cause",
        "code",
        "kind",
        "ready",
        "reason",
        "resource",  # a plural, as in tailscaleendpoints
        "result",
        "state",
        "tailnet",
        "verb",
        "version",
    }


def test_alerts_use_metrics_that_exist(busy: Metrics) -> None:
    suffixes = ("", "_bucket", "_sum", "_count")
    known = {spelled(family) + suffix for family in families(busy) for suffix in suffixes}

    assert set(OURS.findall(PAGE)) <= known


def test_every_result_and_status_is_named(busy: Metrics) -> None:
    values = {
        value
        for family in families(busy)
        for sample in family.samples
        for label, value in sample.labels.items()
        if label in {"result", "ready", "cause"}
    }

    assert [value for value in sorted(values) if f"`{value}`" not in PAGE] == []
