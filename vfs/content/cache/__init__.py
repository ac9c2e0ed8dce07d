"""The cache on local disk: sparse mirrors of packs, shared by all mounts and processes of a user.

A mirror is two files: the bytes at the offsets they have in the pack, and a map of the pieces that are
there with their xxh3. Bytes are written before their map record, without fsync: after a crash a
record may point at bytes that never reached the disk, so each piece is checked whenever it is read, and
one that fails is dropped and fetched again. Nothing here is ever needed: any part may be deleted at any time.
"""
