"""A CKD network in the paper's layout that is built and run in milliseconds."""

from ckd_ros.network.config import CKDConfig

CONFIG = CKDConfig(
    "t",
    template_size=32,
    search_size=64,
    embed_dim=12,
    depth=2,
    num_heads=3,
    head_channels=(8, 4),
    elimination="multimodal",
    elimination_blocks=(1,),
)
