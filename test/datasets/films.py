"""Small video files of every form that cameras and programs leave."""

from fractions import Fraction

import av
import numpy as np


def write_film(path, images, pts=None, codec="ffv1", pixels=None, options=None):
    """A video of images, at the times `pts` (ms) or evenly, 20 a second.

    The images are `H x W` uint8 or uint16, or `H x W x 3` with red first; `pixels` is how they are stored.
    """
    height, width = images[0].shape[:2]
    kind = "rgb24" if images[0].ndim == 3 else "gray16le" if images[0].dtype == np.uint16 else "gray"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=20, options=options or {})
        stream.width, stream.height = width, height
        stream.pix_fmt = pixels or ("yuv420p" if kind == "rgb24" else kind)
        stream.codec_context.time_base = Fraction(1, 20 if pts is None else 1000)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=kind)
            frame.pts = number if pts is None else int(pts[number])
            frame.time_base = stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def packets(path):
    """(position in the file, size) of each frame's data, in the order of the file."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


def damage(path, number, zeros=False):
    """Put noise or zeros in the place of one frame's data, but for its first bytes."""
    position, size = packets(path)[number]
    fill = np.random.default_rng(1).integers(0, 1 if zeros else 256, size - 8, np.uint8)
    content = bytearray(path.read_bytes())
    content[position + 8 : position + size] = fill.tobytes()
    path.write_bytes(content)


def cut(path, share):
    """Leave the first `share` of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
