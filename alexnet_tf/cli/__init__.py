"""One module a command: absl flags to one library call."""
