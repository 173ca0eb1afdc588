"""`make demo`: both nodes on a source of frames, watched and reported."""
