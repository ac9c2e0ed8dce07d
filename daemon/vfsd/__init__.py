"""The daemon: mounts what a specification names, observes who reads it, and answers control and metrics."""

# First of all: the shim must be in the process before pyfuse3 is, whichever module imports that.
from vfsd.shim import SHIM as SHIM
