"""Settings: defaults, configuration files, environment and flags, each value with its origin."""
