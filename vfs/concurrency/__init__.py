"""Threads and time: ordered pools, single flight, deadlines."""
