"""Checks of a compiled model by machines that know nothing of its derivation."""
