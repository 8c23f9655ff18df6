"""The interface to the operating system: files, locks, signals, memory, threads; nothing here depends on models."""
