"""The CKD network in PyTorch: branches, candidate elimination, centre head, checkpoints, export."""
