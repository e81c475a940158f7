import httpx

from discovery.metrics import Metrics
from discovery.web.serving import Served


async def test_metrics_are_text(served: Served, http: httpx.AsyncClient, metrics: Metrics) -> None:
    metrics.led(leading=True)

    answer = await http.get(f"{served.metrics}/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "\ntailnet_discovery_leader 1.0\n" in answer.text


async def test_metrics_are_openmetrics_for_whom_asks(
    served: Served, http: httpx.AsyncClient
) -> None:
    accept = {"accept": "application/openmetrics-text;version=1.0.0"}

    answer = await http.get(f"{served.metrics}/metrics", headers=accept)

    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")


async def test_head_of_metrics_has_no_body(served: Served, http: httpx.AsyncClient) -> None:
    answer = await http.head(f"{served.metrics}/metrics")

    assert (answer.status_code, answer.content) == (200, b"")


async def test_the_port_of_metrics_has_no_health(served: Served, http: httpx.AsyncClient) -> None:
    answer = await http.get(f"{served.metrics}/healthz")

    assert (answer.status_code, answer.text) == (
        404,
        "There is no such path here; there are /metrics.\n",
    )
