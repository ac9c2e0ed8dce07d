"""Repos, refs and commits over one store: put, commit, log, diff, merge, export, verify.

Read `library` for the composition, `commit` for how a branch moves, `ingest` for how files become entries.
"""
