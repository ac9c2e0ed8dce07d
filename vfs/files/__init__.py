"""Local files: atomic writes, private directories, locks between processes."""
