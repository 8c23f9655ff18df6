"""How fast this machine trains: the floor, isthmus, and every rival that is installed."""
