"""Mounts from outside: what to mount, which mounts there are, starting, asking and ending their daemons."""
