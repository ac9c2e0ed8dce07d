"""Values: ids, names, revisions, entries, commits, run records. Frozen, no I/O."""
