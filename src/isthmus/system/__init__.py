"""What the operating system gives and takes: files, locks, signals, memory, threads; nothing here knows of models."""
