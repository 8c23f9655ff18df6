"""The type checker that the import hook in conftest.py puts around every function of the shaped modules."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as type checkers have it
