"""One module per command or group of commands; imported only when that command is called."""
