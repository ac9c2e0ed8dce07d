"""Lineage graphs for people and programs: text, JSON, pictures, and what other systems and auditors read.

Names, commands and messages come from whoever wrote the data: each format escapes them in its own way.
"""
