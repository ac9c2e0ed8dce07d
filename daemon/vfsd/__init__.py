"""The daemon: mounts what a specification names, observes who reads it, and answers control and metrics."""
