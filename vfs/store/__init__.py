"""Bytes by key: one protocol, a local directory, an S3 bucket or memory behind it."""
