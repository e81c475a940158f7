"""The first afternoon, carried out from its first command to its last."""

from pathlib import Path

from tests.docs.blocks import Act, Command, File, steps
from tests.docs.comparison import masked, says
from tests.docs.world import World

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "first-afternoon.md"


def test_every_command_of_the_first_afternoon_prints_what_the_page_shows(world: World) -> None:
    for step in steps(PAGE):
        match step:
            case File():
                (world.cwd / step.name).write_text(step.content)
            case Act():
                world.act(step.name, step.argument)
            case Command(skipped=""):
                printed, code = world.run(step.text)
                shown = "\n".join(step.expected)
                told = f"{step.place}: $ {step.text}\nexit code {code}\n{masked(printed)}"
                assert code == step.code, told
                assert says(step.expected, printed), f"{told}\n--- the page shows:\n{shown}"


def test_what_can_not_be_carried_out_here_is_known() -> None:
    skipped = {
        (step.text.split(" -")[0], step.skipped)
        for step in steps(PAGE)
        if isinstance(step, Command) and step.skipped
    }
    kubelet = "a kubelet has to start the pods"
    assert skipped == {
        ("export TS_API_CLIENT_ID=… TS_API_CLIENT_SECRET=…", "the values are the reader's own"),
        ("kubectl rollout status deployment/tailnet-discovery", kubelet),
        ("helm test tailnet-discovery", kubelet),
        ("kubectl logs", kubelet),
    }


def test_the_nine_steps_come_in_their_order() -> None:
    headings = [line for line in PAGE.read_text().splitlines() if line.startswith("## ")]
    assert [heading.split()[1] for heading in headings] == [f"{n}." for n in range(1, 10)]
