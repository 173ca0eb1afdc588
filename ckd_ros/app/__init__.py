"""What a person types and looks at: the command `ckd`, the live window, the terminal."""
