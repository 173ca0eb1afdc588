"""What the demo shows of the logs of its nodes."""

from ckd_ros.ros.demo.processes import NodeProcess


def test_only_warnings_that_were_not_expected_are_shown(tmp_path):
    node = NodeProcess("tracker_node", {}, tmp_path)
    silent, repeated = "[WARN] [1.0]: no images arrive on /rgb", "[WARN] [1.1]: a stamp repeats"
    late = "[ERROR] [2.0]: no provider"
    node.log.write_text(f"{silent}\n[INFO] [1.0]: fine\n{repeated}\n")
    node.expect_warnings("no images arrive")
    again = silent.replace("1.0", "2.0")
    node.log.write_text(node.log.read_text() + f"{late}\n{again}\n")
    assert node.warnings() == [repeated, late, again]
