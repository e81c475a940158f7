from pathlib import Path

from tests.docs.blocks import Command, steps
from tests.docs.world import ROOT, World

README = ROOT / "README.md"


def names(folder: Path) -> set[str]:
    """The resources in a folder of manifests."""
    text = "".join(path.read_text() for path in folder.iterdir())
    return {line.split()[1] for line in text.splitlines() if line.startswith("  name: ")}


def test_the_walk_through_of_a_cluster_serves_every_example(world: World) -> None:
    world.act("credentials", "")
    for step in steps(README, "In a cluster"):
        assert isinstance(step, Command)
        printed, code = world.run(step.text)
        assert code == 0, f"{step.text}\n{printed}"
        if step.text.startswith("helm install"):
            world.act("roll", "")
    waited, code = world.run("kubectl wait tse --all --for=condition=Accepted --timeout=30s")
    assert code == 0, waited
    accepted = {line.partition(" ")[0].rpartition("/")[2] for line in waited.splitlines()}
    assert accepted == names(ROOT / "examples")
    waited, code = world.run("kubectl wait tse/api --for=condition=Ready --timeout=30s")
    assert code == 0, waited
