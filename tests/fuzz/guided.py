"""A fuzzer that coverage guides, for one target: python -m tests.fuzz.guided TARGET FLAG...

It ends with an exception's traceback and libFuzzer's exit code 77 at the first input that gets one
out of the target; the flags are libFuzzer's.
"""

import sys

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

with atheris.instrument_imports(include=["discovery", "yaml"]):
    from tests.fuzz.targets import TARGETS


def main(name: str, flags: list[str]) -> None:
    """Fuzz a target; it does not return."""
    atheris.Setup([sys.argv[0], *flags], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
