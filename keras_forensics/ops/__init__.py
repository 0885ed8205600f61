"""Pure functions: the arithmetic behind the layers."""
