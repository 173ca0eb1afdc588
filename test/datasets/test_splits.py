from ckd_ros.datasets.splits import held_out


def test_the_last_quarter_of_every_family_is_kept_out():
    names = [f"BIRD_{i:03}" for i in range(8)] + [f"PLANE_{i:03}" for i in range(4)]
    assert held_out(reversed(names)) == {"BIRD_006", "BIRD_007", "PLANE_003"}


def test_nothing_is_kept_out_of_a_tiny_family():
    assert held_out(["only_1"]) == set()
