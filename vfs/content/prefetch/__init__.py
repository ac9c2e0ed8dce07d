"""Reading ahead of a predictable reader: what will be asked next is in memory before it is.

`pattern` guesses from the reads of one file, `prefetcher` brings what was guessed, within one budget of memory.
"""
