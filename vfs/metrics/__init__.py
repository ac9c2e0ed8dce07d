"""Counters and histograms that cost next to nothing, and the names they are shown under."""
