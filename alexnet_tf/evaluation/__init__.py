"""How good a network is: top-1 and top-5 error over one or ten views."""
