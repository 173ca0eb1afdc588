"""Training samples: crops of a template and a search region in both modalities, with their truth."""
