import math
import re

import pytest

from discovery.simulator import parse_rule
from discovery.simulator.faults import Area, Kind


@pytest.mark.parametrize(
    ("text", "kind", "argument", "area", "times"),
    [
        ("429", Kind.STATUS, "429", "*", math.inf),
        ("429:30@devicesx3", Kind.STATUS, "429:30", "devices", 3),
        ("500@*x1", Kind.STATUS, "500", "*", 1),
        (
            "503:Wed, 25 Nov 2026 10:00:00 GMTx2",
            Kind.STATUS,
            "503:Wed, 25 Nov 2026 10:00:00 GMT",
            "*",
            2,
        ),
        ("html", Kind.HTML, "502", "*", math.inf),
        ("html:200@services", Kind.HTML, "200", "services", math.inf),
        ("slow:0.5", Kind.SLOW, "0.5", "*", math.inf),
        ("empty", Kind.EMPTY, "", "device-list", math.inf),
        ("half@service-listx12", Kind.HALF, "", "service-list", 12),
        ('body:{"devices":null}@devicesx1', Kind.BODY, '{"devices":null}', "devices", 1),
        ("body:a@b", Kind.BODY, "a@b", "device-list", math.inf),
        ("foreign", Kind.FOREIGN, "other-tailnet.ts.net", "device-list", math.inf),
        ("missing-scope@services", Kind.MISSING_SCOPE, "", "services", math.inf),
        ("malformed:nodeId", Kind.MALFORMED, "nodeId", "device-list", math.inf),
        ("oversized", Kind.OVERSIZED, "16777216", "device-list", math.inf),
        ("redirect:http://127.0.0.1:1/a", Kind.REDIRECT, "http://127.0.0.1:1/a", "*", math.inf),
    ],
)
def test_a_rule_is_read(text: str, kind: Kind, argument: str, area: str, times: float) -> None:
    rule = parse_rule(text)
    assert (rule.kind, rule.argument, rule.area, rule.times) == (kind, argument, Area(area), times)
    assert rule.text == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", '"" is not KIND[:ARGUMENT][@AREA][xN]'),
        ("500@nowhere", 'no area "nowhere": use one of *, devices'),
        ("500x0", '"500x0" is not KIND'),
        ("nonsense", 'no fault "nonsense": use a status or one of html, redirect'),
        ("status", 'no fault "status"'),
        ("200", 'status takes a status from 300 to 599, and seconds or an HTTP date, not "200"'),
        ("600", 'not "600"'),
        ("429:soon", 'not "429:soon"'),
        ("500:30@nowhere", 'not "500:30@nowhere"'),
        ("html:201", 'html takes 200, or a status from 300 to 599, not "201"'),
        ("slow", 'slow takes seconds, not ""'),
        ("slow:fast", 'slow takes seconds, not "fast"'),
        ("body", 'body takes the text of the body, not ""'),
        ("redirect", "redirect takes a URL"),
        ("drop:now", 'drop takes nothing, not "now"'),
        ("malformed:name", "malformed takes addresses, nodeId, id, tags or entry"),
        ("untagged@services", "untagged is for devices: use @devices, @device-list or @device"),
        ("foreign@*", "foreign is for devices"),
    ],
)
def test_a_wrong_rule_is_explained(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        parse_rule(text)
    assert "\n" not in str(caught.value)
