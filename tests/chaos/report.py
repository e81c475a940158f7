"""What a chaos run came to."""

from collections import Counter, deque
from dataclasses import dataclass, field

from tests.chaos.oracle import Violation

LAST: int = 30


@dataclass
class Report:
    """Counts of a run, its last steps in words, and what was found."""

    seed: int
    steps: int = 0
    polls: int = 0
    calm_polls: int = 0
    states: int = 0
    removals: int = 0
    edits: int = 0
    gaps: int = 0
    seconds: float = 0.0
    changes: Counter[str] = field(default_factory=Counter)
    list_faults: Counter[str] = field(default_factory=Counter)
    lies: Counter[str] = field(default_factory=Counter)
    answer_faults: Counter[str] = field(default_factory=Counter)
    api_faults: Counter[str] = field(default_factory=Counter)
    disruptions: Counter[str] = field(default_factory=Counter)
    leaders: int = 0
    lists: int = 0
    answers: int = 0
    decisions: int = 0
    not_reproduced: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    trail: deque[str] = field(default_factory=lambda: deque(maxlen=LAST))

    @property
    def is_clean(self) -> bool:
        return not (self.violations or self.differences or self.not_reproduced)

    def text(self) -> str:
        """The report for people."""
        lines = [
            f"seed {self.seed}: {len(self.violations)} violations",
            f"  {self.seconds:.0f} s, {self.steps} steps, {self.polls} polls",
            f"  {self.calm_polls} polls without a fault",
            f"  {self.lists} lists, {self.answers} answers",
            f"  {self.removals} removals by the tailnet, {self.edits} by edits",
            f"  {self.states} states of the slices, {self.gaps} not seen, {self.leaders} leaders",
        ]
        lines.append(f"  {self.decisions} decisions replayed from the records")
        for name in (
            "changes",
            "list_faults",
            "lies",
            "answer_faults",
            "api_faults",
            "disruptions",
        ):
            counts: Counter[str] = getattr(self, name)
            listed = ", ".join(f"{what} {counts[what]}" for what in sorted(counts))
            lines.append(f"  {name.replace('_', ' ')} ({counts.total()}): {listed}")
        if not self.is_clean:
            lines += ["  last steps:", *(f"    {line}" for line in self.trail)]
            lines += [f"  {v.rule}: {v.resource}/{v.node}: {v.why}" for v in self.violations]
            lines += [f"  at the end: {line}" for line in self.differences]
            lines += [f"  not reproduced: {line}" for line in self.not_reproduced]
        return "\n".join(lines)
