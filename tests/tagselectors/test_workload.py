from benchmarks.selectors.workload import generate, peer_form


def test_the_same_seed_gives_the_same_workload() -> None:
    assert peer_form(generate(50, 20)) == peer_form(generate(50, 20))


def test_another_seed_gives_another_workload() -> None:
    assert peer_form(generate(50, 20)) != peer_form(generate(50, 20, seed=1))


def test_a_hundredth_of_the_devices_changes() -> None:
    assert len(generate(500, 1).changed) == 5
