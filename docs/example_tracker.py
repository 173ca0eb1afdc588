"""Template matching on RGB, for `ckd evaluate --tracker 'program:python docs/example_tracker.py'`."""

import sys

import cv2

answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints must not be taken for an answer


def read(path):
    """The image as colour, 8 bits. `-` would stand for a missing one; this tracker asks for RGB."""
    image = cv2.imread(path, cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"cannot read the RGB image '{path}'")
    return image


for line in sys.stdin:  # ends when there is nothing more to follow
    command, rgb, thermal, *more = line.rstrip("\n").split("\t")
    image, score = read(rgb), 1.0
    if command == "init":
        x, y, w, h = (round(float(value)) for value in more[0].split(","))
        x, y = max(x, 0), max(y, 0)
        template = image[y : y + h, x : x + w].copy()
    else:
        left, top = max(0, x - w), max(0, y - h)
        region = image[top : y + 2 * h, left : x + 2 * w]
        _, score, _, best = cv2.minMaxLoc(cv2.matchTemplate(region, template, cv2.TM_CCOEFF_NORMED))
        x, y = left + best[0], top + best[1]
    print(f"{x},{y},{w},{h},{max(score, 0):.3f}", file=answers, flush=True)
