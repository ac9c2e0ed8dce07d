"""The `vfs` command: parses words, calls the layers below, shows what they return. No logic of its own."""
