"""Lineage graphs for people and programs: text, JSON, dot, mermaid, SVG.

Names, commands and messages come from whoever wrote the data: each format escapes them in its own way.
"""
