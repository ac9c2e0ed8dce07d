"""Runs: a command over mounted inputs in a namespace of its own, what it wrote as a commit that says how."""
