"""Suites that use a writable mount as the file system it has to be, and compare it with a plain directory."""
