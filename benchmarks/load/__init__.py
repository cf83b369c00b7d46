"""One endpoint under load: what `make bench-load` measures."""
