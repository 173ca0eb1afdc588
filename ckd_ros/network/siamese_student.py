"""CKD on Siamese branches: two trackers side by side, and what couples them.

What couples them starts at zero: a fresh student **is** two single-modality trackers of which the surer counts in each
cell. From there it learns when to believe which camera. Style and content losses apply to the branches' features and
correlations, masking and candidate elimination to the cells of their search features.

Shapes as in `siamese`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ckd_ros.network.checkpoint import load_weights
from ckd_ros.network.elimination import candidate_scores, keep_best
from ckd_ros.network.head import PROBABILITY_FLOOR, Prediction
from ckd_ros.network.siamese import CHANNELS, SiameseBranch, SiameseOutput
from ckd_ros.network.siamese_config import STRIDE, SiameseConfig

_SURENESS = 4.0  # of the softmax over the cameras' logits: the surer one counts, equally sure ones are averaged
Pair = tuple[Tensor, Tensor]  # colour, thermal

_ABSENT = -1e4  # added to the logit of a camera that shows nothing


class Features(NamedTuple):
    """Both branches' features, colour first."""

    templates: Pair  # (B, C, t, t)
    searches: Pair  # (B, C, g, g)
    seen: Tensor  # (B, 2, 1, 1): 1 where the modality is there


class SiameseStudentOutput(NamedTuple):
    """Maps, and both branches' features."""

    prediction: Prediction
    rgb: SiameseOutput
    tir: SiameseOutput


class PartSimilarity(nn.Module):
    """How much each search cell of one modality looks like each of 4x4 parts of the template: which of several it is.

    The branch's own correlation was trained to find objects like the target; this one is trained to tell them apart.
    """

    PARTS = 4

    def __init__(self, width: int = 64):
        super().__init__()
        self.template, self.search = (nn.Conv2d(CHANNELS, width, 1) for _ in range(2))

    def forward(self, template: Tensor, search: Tensor) -> Tensor:
        """(B, C, t, t), (B, C, g, g) -> cosines (B, 16, g, g)."""
        parts = F.avg_pool2d(template, template.shape[-1] // self.PARTS)
        kernels = F.normalize(self.template(parts).flatten(2), dim=1)  # (B, width, 16)
        cells = F.normalize(self.search(search).flatten(2), dim=1)  # (B, width, g * g)
        return (kernels.transpose(1, 2) @ cells).reshape(search.shape[0], -1, *search.shape[-2:])


class Coupling(nn.Module):
    """What one branch learns of the other: exchanged features, and which of the two to believe in each cell.

    Its last layers start at zero.
    """

    def __init__(self, hidden: int = 64):
        super().__init__()
        self.to_rgb, self.to_tir = (nn.Conv2d(CHANNELS, CHANNELS, 1) for _ in range(2))
        self.parts_rgb, self.parts_tir = PartSimilarity(), PartSimilarity()
        self.gate = nn.Sequential(
            nn.Conv2d(2 * (CHANNELS + PartSimilarity.PARTS**2 + 5), hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, 7, 1),  # belief in colour, in thermal; correction of the logit, of the four log sides
        )
        self.weaken(0.0)

    @torch.no_grad()
    def weaken(self, share: float) -> None:
        """Keep a share of what it adds: 0 leaves two trackers side by side, 1 all that was learned.

        Between what a pretrained tracker does and what was learned on other data lies what does best on both (Wortsman
        et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
        """
        for layer in (self.to_rgb, self.to_tir, self.gate[-1]):
            for parameter in layer.parameters():
                parameter.mul_(share)

    def exchange(self, rgb: Tensor, tir: Tensor, seen: Tensor) -> Pair:
        """Features (B, C, ...) of both, each with what the other adds; seen (B, 2, 1, 1)."""
        both = seen[:, :1] * seen[:, 1:]
        return rgb + both * self.to_rgb(tir), tir + both * self.to_tir(rgb)

    def similarities(self, templates: Pair, searches: Pair, seen: Tensor) -> Tensor:
        """Both modalities' part similarities (B, 32, g, g), zero for one that is absent."""
        rgb, tir = self.parts_rgb(templates[0], searches[0]), self.parts_tir(templates[1], searches[1])
        return torch.cat([rgb * seen[:, :1], tir * seen[:, 1:]], dim=1)

    def forward(self, rgb: SiameseOutput, tir: SiameseOutput, similarities: Tensor, seen: Tensor) -> Prediction:
        """Both branches' matches as one set of maps."""
        logits = torch.cat([rgb.logits, tir.logits], dim=1) + _ABSENT * (1 - seen)  # (B, 2, ...)
        known = logits.clamp(-10, 10)
        sides = torch.stack([rgb.log_sides, tir.log_sides], dim=1)  # (B, 2, 4, ...)
        read = (rgb.scores, tir.scores, similarities, known / 4, rgb.log_sides / 4, tir.log_sides / 4)
        gate = self.gate(torch.cat(read, dim=1))
        belief = torch.softmax(_SURENESS * logits + gate[:, :2], dim=1)
        logit = (belief * known).sum(1, keepdim=True) + gate[:, 2:3]
        return to_prediction(logit, (belief.unsqueeze(2) * sides).sum(1) + gate[:, 3:])


class SiameseStudent(nn.Module):
    """An RGB and a thermal branch and their coupling."""

    def __init__(self, config: SiameseConfig):
        super().__init__()
        self.config = config
        self.rgb_branch, self.tir_branch = SiameseBranch(config), SiameseBranch(config)
        self.coupling = Coupling()

    @property
    def branches(self) -> tuple[SiameseBranch, SiameseBranch]:
        """The branch that sees colour and the one that sees thermal images."""
        return self.rgb_branch, self.tir_branch

    def init_from_tracker(self, tracker: dict[str, Tensor]) -> None:
        """All branches from one single-modality tracker's state dict; raises CheckpointError where it does not fit."""
        own = self.state_dict()
        branches = {name.split(".", 1)[0] for name in own} - {"coupling"}
        state = {name: value for name, value in own.items() if name.startswith("coupling.")}
        for name, value in tracker.items():
            state.update({name.replace("backbone", branch, 1): value for branch in branches})
        load_weights(self, state)

    def forward(
        self,
        template_rgb: Tensor,
        template_tir: Tensor,
        search_rgb: Tensor,
        search_tir: Tensor,
        template_box: Tensor | None = None,
        keep_mask: Tensor | None = None,
    ) -> SiameseStudentOutput:
        """Normalised crops (B, 3, S, S) to maps and features; a modality whose crop is all zero is absent.

        keep_mask (B, g * g), the same for both modalities: False for the search cells that are masked.
        `template_box` is not used.
        """
        features = self.encode((template_rgb, template_tir), (search_rgb, search_tir))
        return self.couple(features, keep_mask)

    def encode(self, templates: Pair, searches: Pair) -> Features:
        """Both branches' features, which see nothing of each other yet."""
        seen = torch.stack([_shows(z) * _shows(x) for z, x in zip(templates, searches, strict=True)], dim=1)
        rgb, tir = self.branches
        return Features(
            (rgb.features(templates[0]), tir.features(templates[1])),
            (rgb.features(searches[0]), tir.features(searches[1])),
            seen[:, :, None, None],
        )

    def couple(self, features: Features, keep_mask: Tensor | None = None) -> SiameseStudentOutput:
        """Features to maps: exchange, masking, elimination, both matches, and which of them to believe."""
        seen, searches = features.seen, features.searches
        if keep_mask is not None:
            keep = keep_mask.reshape(-1, 1, *searches[0].shape[-2:]).to(searches[0].dtype)
            searches = searches[0] * keep, searches[1] * keep
        templates = self.coupling.exchange(*features.templates, seen)
        return self.match(templates, self.coupling.exchange(*searches, seen), seen)

    def match(self, templates: Pair, searches: Pair, seen: Tensor) -> SiameseStudentOutput:
        """Exchanged features to maps: elimination, both matches, and which of them to believe."""
        (rgb, tir), searches = self.branches, self._eliminate(templates, searches)
        similarities = self.coupling.similarities(templates, searches, seen)
        matches = rgb.match(templates[0], searches[0]), tir.match(templates[1], searches[1])
        return SiameseStudentOutput(self.coupling(*matches, similarities, seen), *matches)

    def _eliminate(self, templates: Pair, searches: Pair) -> Pair:
        """Search features with the cells set to zero that resemble the template's centre least."""
        mode = self.config.elimination
        if mode is None:
            return searches
        attention = []
        for template, search in zip(templates, searches, strict=True):
            middle = template.shape[-1] // 2
            query = template[..., middle - 1 : middle + 1, middle - 1 : middle + 1].mean((2, 3))  # (B, C)
            similar = torch.einsum("bc,bcn->bn", query, search.flatten(2)) / CHANNELS**0.5
            attention.append(similar.softmax(-1).unsqueeze(1))  # one head
        kept = []
        for search, scores in zip(searches, candidate_scores(attention, mode), strict=True):
            count = torch.sym_min(self.config.kept_cells, scores.shape[-1])  # type: ignore[no-untyped-call]
            index = keep_best(scores, count)
            keep = torch.zeros_like(scores).scatter(-1, index, 1.0)
            kept.append(search * keep.reshape(-1, 1, *search.shape[-2:]))
        return kept[0], kept[1]


def _shows(crop: Tensor) -> Tensor:
    """1 for the crops (B, 3, S, S) that show anything, 0 for the others (B,)."""
    return (crop.flatten(1).abs().amax(1) > 0).to(crop.dtype)


class SiameseTracker(nn.Module):
    """One branch alone: a teacher, and what both branches of a student start from."""

    def __init__(self, config: SiameseConfig):
        super().__init__()
        self.config = config
        self.backbone = SiameseBranch(config)

    def match(self, template: Tensor, search: Tensor) -> SiameseOutput:
        """Crops of one modality to features and maps as the branch has them."""
        return self.backbone.match(self.backbone.features(template), self.backbone.features(search))

    def forward(self, template: Tensor, search: Tensor, template_box: Tensor | None = None) -> Prediction:
        """Normalised crops (B, 3, S, S) of one modality to maps; `template_box` is not used."""
        return branch_prediction(self.match(template, search))


def branch_prediction(match: SiameseOutput) -> Prediction:
    """One branch's maps."""
    return to_prediction(match.logits, match.log_sides)


def to_prediction(logits: Tensor, log_sides: Tensor) -> Prediction:
    """Logits (B, 1, g, g) and log distances (B, 4, g, g) as the maps of a centre head."""
    left, top, right, bottom = log_sides.float().clamp(-4, 8).exp().chunk(4, dim=1)
    size = torch.cat([left + right, top + bottom], dim=1) / (STRIDE * logits.shape[-1])
    offset = torch.cat([right - left, bottom - top], dim=1) / (2 * STRIDE)
    score = logits.float().sigmoid()
    return Prediction(
        score.clamp(PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR),
        size.clamp(PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR),
        offset,
    )
