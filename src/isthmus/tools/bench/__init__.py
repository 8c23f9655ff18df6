"""How fast this machine trains: the upper bound, isthmus, and every other package that is installed."""
