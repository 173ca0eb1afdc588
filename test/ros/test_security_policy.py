"""config/security/ckd.policy.xml is an SROS 2 policy, and allows what the nodes have in the graph, and no more."""

from fnmatch import fnmatch
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")

from bench import wait_for  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from ckd_ros.ros.camera_node import CameraNode  # noqa: E402
from ckd_ros.ros.viewer import OVERLAY, Source, Viewer  # noqa: E402

POLICY = ElementTree.parse(Path(__file__).resolve().parents[2] / "config" / "security" / "ckd.policy.xml").getroot()
#: What a node has only where a package is installed (vision_msgs, bondpy, tf2_ros), or the ROS 2 is recent.
DEPENDS = {"/ckd/detections", "/ckd/bond", "/tf", "/tf_static"}
DEPENDS |= {f"/ckd/{node}/get_type_description" for node in ("tracker", "camera", "view")}
#: Element of a policy -> what it may hold, the attributes that it needs, and those that it may have.
FORM = {
    "policy": ({"enclaves"}, {"version"}, set()),
    "enclaves": ({"enclave"}, set(), set()),
    "enclave": ({"profiles"}, {"path"}, set()),
    "profiles": ({"profile"}, set(), set()),
    "profile": ({"topics", "services"}, {"ns", "node"}, set()),
    "topics": ({"topic"}, set(), {"publish", "subscribe"}),
    "services": ({"service"}, set(), {"request", "reply"}),
    "topic": (set(), set(), set()),
    "service": (set(), set(), set()),
}


def allowed(node: str, rule: str) -> set[str]:
    """Full names of what a node may publish, subscribe, request or reply."""
    lists = POLICY.iterfind(f".//profile[@ns='/ckd'][@node='{node}']/*[@{rule}='ALLOW']/*")
    return {element.text for element in lists}


def check(asker, node: str, also: set[str]) -> set[str]:
    """All that a node has in the graph is allowed, and all that is allowed it has, `also` and DEPENDS aside.

    Returns its services.
    """
    wait_for(lambda: (node, "/ckd") in asker.get_node_names_and_namespaces())
    for rule, names in (
        ("publish", asker.get_publisher_names_and_types_by_node),
        ("subscribe", asker.get_subscriber_names_and_types_by_node),
        ("request", asker.get_client_names_and_types_by_node),
        ("reply", asker.get_service_names_and_types_by_node),
    ):
        found: set[str] = set()

        def none_is_missing(rule=rule, names=names, found=found) -> bool:
            found.update(name for name, _ in names(node, "/ckd"))
            return allowed(node, rule) - DEPENDS - also <= found

        wait_for(none_is_missing)  # else one is gone: take it off config/security/ckd.policy.xml
        assert found <= allowed(node, rule), f"new: add it to config/security/ckd.policy.xml ({rule})"
    return found


def test_it_has_the_form_of_a_policy():
    assert POLICY.tag == "policy" and POLICY.get("version") == "0.2.0"
    for element in POLICY.iter():
        children, needed, possible = FORM[element.tag]
        assert {child.tag for child in element} <= children and bool(len(element)) == bool(children), element.tag
        assert needed <= set(element.attrib) <= needed | possible, element.attrib
        if possible:
            assert element.attrib and set(element.attrib.values()) <= {"ALLOW", "DENY"}
        if not children:
            assert element.text.startswith("/") and not fnmatch(element.text, "*[*?[]*"), "no patterns: each by name"
    paths = [enclave.get("path") for enclave in POLICY.iter("enclave")]
    assert paths == ["/ckd/tracker", "/ckd/camera", "/ckd/view"]


def test_the_tracker_may_do_what_it_does_and_no_more(bench):
    hostile = pytest.importorskip("hostile", reason="hypothesis is not installed: make test installs it")
    b = bench(**{"use_sim_time": True, "image_transport.thermal": "compressed"}).start()
    services = check(b.user, "tracker", {"/ckd/rgb/image/compressed", "/ckd/thermal/image"})
    assert services == {f"/ckd/{name}" for name in hostile.SERVICES}, "benchmarks/fuzz.py calls every service"


def test_the_camera_may_do_what_it_does_and_no_more(ros):
    values = {"source": "simulator:frames=2,width=64,height=48,thermal_width=64,thermal_height=48", "init": "auto"}
    values["use_sim_time"] = True
    node = CameraNode(parameter_overrides=[Parameter(name, value=value) for name, value in values.items()])
    asker = ros.create_node("asker")
    check(asker, "camera", {f"/ckd/{stream}/image/compressed" for stream in ("rgb", "thermal")})  # which drivers have
    for one in (node, asker):
        one.destroy_node()


def test_the_window_may_do_what_it_does_and_no_more(ros):
    asker = ros.create_node("asker")
    with Viewer("ckd") as viewer:
        for name in (OVERLAY, "rgb", "thermal"):
            for transport in ("raw", "compressed"):
                viewer._subscribe(Source(name, transport), lambda _: None)
        check(asker, "view", {"/clock"})
    asker.destroy_node()
