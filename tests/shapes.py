"""The type checker that the import hook in conftest.py applies to every function with shapes."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as for type checkers
