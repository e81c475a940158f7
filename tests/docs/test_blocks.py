from pathlib import Path

import pytest

from tests.docs.blocks import Act, Command, File, steps

TEXT = """\
## One

<!-- test: exits 1 -->
```console
$ first
> | second
out

put
$ third
```

## Two

```yaml my.yaml
a: 1
```

```yaml
b: 2
```

<!-- test: tag api-1 tag:a -->
<!-- test: skip no kubelet -->
```console
$ fourth
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(TEXT)
    return path


def test_a_page_is_commands_files_and_acts_in_its_order(page: Path) -> None:
    assert list(steps(page)) == [
        Command("page.md:4", "first\n| second", ("out", "", "put"), 1),
        Command("page.md:4", "third", (), 1),
        File("my.yaml", "a: 1\n"),
        Act("page.md:23", "tag", "api-1 tag:a"),
        Command("page.md:25", "fourth", (), 0, "no kubelet"),
    ]


def test_one_section_can_be_asked_for(page: Path) -> None:
    assert [s.text for s in steps(page, "One") if isinstance(s, Command)] == [
        "first\n| second",
        "third",
    ]


def test_a_block_without_an_end_is_an_error(page: Path) -> None:
    page.write_text("```console\n$ first\n")
    with pytest.raises(ValueError, match=r"page\.md:1: the block has no end"):
        list(steps(page))
