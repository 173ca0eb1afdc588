"""Two image streams into pairs of (nearly) the same moment."""
