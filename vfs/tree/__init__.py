"""The ordered map of a commit: pages, look-up by path and row, listing, edit, diff.

Read `keys` for the order, `leaf` and `index` for the pages, `writer` for where they are cut, `tree` for look-ups.
"""
