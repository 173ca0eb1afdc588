"""Whether the stamps of a camera can be used, or the time of reception must stand for them."""

from __future__ import annotations

#: After so many images in a row with the same stamp the camera does not stamp its images; it does again after so many
#: in a row with stamps that differ. A stamp that ticks once a second therefore counts as none.
IN_A_ROW = 5


class StampWatch:
    """Watches the stamps of one stream, one after the other."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._run = 0
        self._constant = False

    def problem(self, stamp: int) -> str | None:
        """What is wrong with the newest image's stamp (nanoseconds), as it follows `<stream> images`; None: nothing."""
        if stamp <= 0:
            return "have no stamp"
        same, self._newest = stamp == self._newest, stamp
        self._run = 0 if same == self._constant else self._run + 1
        if self._run == IN_A_ROW:
            self._constant, self._run = same, 0
        return f"have no usable stamp (always {stamp / 1e9:.3f} s)" if self._constant else None
