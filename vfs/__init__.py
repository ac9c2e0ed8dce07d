"""vfs, the versioned file system: versioned data as plain directories."""

__version__ = "0.1.0"
